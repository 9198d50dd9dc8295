// The DecoratorControllers that are installed by themselves, a line each: those for optional APIs only where the API is.
import type { Decorator } from '../sdk/definition.ts'
import { certManager } from './cert-manager/index.ts'
import { externalSecrets } from './external-secrets/index.ts'
import { gatewayApi } from './gateway-api/index.ts'
import { grafanaDashboards } from './grafana-dashboards/index.ts'
import { istio } from './istio/index.ts'
import { keda } from './keda/index.ts'
import { prometheusOperator } from './prometheus-operator/index.ts'
import { resumption } from './resumption/index.ts'
import { velero } from './velero/index.ts'
import { volumeSnapshots } from './volume-snapshots/index.ts'

export const decorators: readonly Decorator[] = [
  resumption,
  prometheusOperator,
  grafanaDashboards,
  gatewayApi,
  certManager,
  keda,
  volumeSnapshots,
  velero,
  istio,
  externalSecrets,
]
