// The DecoratorControllers for optional APIs, a line each: every one is installed where its API is, and nowhere else.
import type { Decorator } from '../sdk/definition.ts'
import { certManager } from './cert-manager/index.ts'
import { externalSecrets } from './external-secrets/index.ts'
import { gatewayApi } from './gateway-api/index.ts'
import { grafanaDashboards } from './grafana-dashboards/index.ts'
import { istio } from './istio/index.ts'
import { keda } from './keda/index.ts'
import { prometheusOperator } from './prometheus-operator/index.ts'
import { velero } from './velero/index.ts'
import { volumeSnapshots } from './volume-snapshots/index.ts'

export const decorators: readonly Decorator[] = [
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
