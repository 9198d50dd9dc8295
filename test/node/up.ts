// `npm run nodes` (`-- --monitoring` with Prometheus and kube-state-metrics): a cluster whose containers run, with the suite installed, until Ctrl-C.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { createNodeCluster } from './cluster.ts'
import { obstacleToOwnNodes } from './requirements.ts'

const reason = obstacleToOwnNodes()
if (reason !== undefined) {
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}
const root = join(import.meta.dirname, '..', '..')
const started = Date.now()
const { values } = parseArgs({ options: { monitoring: { type: 'boolean', default: false } } })
const cluster = await createNodeCluster({
  nodes: 2,
  metrics: true,
  monitoring: values.monitoring,
  hook: {
    command: process.execPath,
    args: [join(root, 'hooks/main.ts'), 'serve', '--auth=none', '--ephemeral-credential-keys', '--events'],
  },
  manifests: ['crds', 'metacontroller', 'deploy/generated/rbac', 'deploy/generated/events'].map((name) =>
    join(root, name),
  ),
  faults: false,
})
closeWithGrace({ delay: 600_000 }, async () => {
  process.stdout.write('\nstopping …\n')
  await cluster.stop()
})

const { kubeconfig, kubectl } = cluster.controlPlane
const { postgresql, mysql } = cluster.versions
process.stdout.write(`Two nodes are up after ${Math.round((Date.now() - started) / 1000)} s

  export KUBECONFIG=${kubeconfig}
  alias kubectl=${kubectl}      # this version's kubectl, with that kubeconfig

  kubectl get nodes,pods --all-namespaces --output=wide

Images of engines: postgres:${postgresql} and mysql:${mysql}; a Database asks for one by
spec.engine postgresql or mysql and that spec.version.
test/node on it:
  NODE_KUBECONFIG=${kubeconfig} NODE_POSTGRESQL_VERSION=${postgresql} NODE_MYSQL_VERSION=${mysql} npm run test:node -- test/node/users.test.ts
logs: ${cluster.folder}/*.log and ${cluster.controlPlane.workplace.folder}/*.log
Ctrl-C stops it and removes everything.
`)
