// WebApps as teams run them, for the benchmarks that load a cluster with many.
import { definitions } from '../../hooks/kinds/index.ts'
import { type Composite, hookName } from '../../hooks/sdk/definition.ts'
import type { Workload } from './plane.ts'

/**
 * WebApps with one pod each, and all that is on by default beside it, in the namespaces of some teams; done when the pod is
 * ready.
 */
export function webapps(): Workload {
  return {
    definition: webappDefinition(),
    name: (index) => `shop-web-${String(index).padStart(5, '0')}`,
    parent: (namespace, index) => ({
      apiVersion: 'platform.example.com/v1',
      kind: 'WebApp',
      metadata: { namespace, name: `shop-web-${String(index).padStart(5, '0')}`, labels: { team: 'shop' } },
      spec: {
        replicas: 1,
        image: 'nginx:1.21',
        resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { cpu: '500m', memory: '512Mi' } },
        env: [{ name: 'STAGE', value: 'production' }],
        configFiles: [{ path: '/etc/shop/shop.conf', content: 'stage = production\n' }],
        autoscaling: { enabled: true, minReplicas: 1, maxReplicas: 10, targetCPUUtilization: 70 },
        monitoring: { enabled: true, scrapeInterval: '30s' },
        security: { networkPolicy: 'strict', podSecurityStandard: 'restricted' },
      },
    }),
    variants: 1,
    namespaces: 20,
    until: 'Ready',
  }
}

function webappDefinition(): Composite {
  const found = definitions.find((definition) => hookName(definition) === 'webapp')
  if (found?.controller !== 'composite') throw new Error('the registry of kinds has no WebApp')
  return found
}
