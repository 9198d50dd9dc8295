// `npm run nodes`: a cluster whose containers run, with the suite installed, until Ctrl-C. `-- --monitoring` puts Prometheus
// and kube-state-metrics there; `-- --bare` leaves the suite out, for a run of test/node on a given cluster.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { thisBuild } from '../../hooks/server/build.ts'
import { createNodeCluster } from './cluster.ts'
import { startNodes } from './nodes.ts'
import { obstacleToOwnNodes } from './requirements.ts'

const reason = obstacleToOwnNodes()
if (reason !== undefined) {
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}
const flag = { type: 'boolean', default: false } as const
const { values } = parseArgs({ options: { monitoring: flag, bare: flag } })
const started = Date.now()
const cluster = await (values.bare ? bare() : withSuite())
closeWithGrace({ delay: 600_000 }, async () => {
  process.stdout.write('\nstopping …\n')
  await cluster.stop()
})

const { kubeconfig, kubectl, workplace } = cluster.controlPlane
const { postgresql, mysql } = cluster.versions
process.stdout.write(`Two nodes are up after ${Math.round((Date.now() - started) / 1000)} s

  export KUBECONFIG=${kubeconfig}
  alias kubectl=${kubectl}      # this version's kubectl, with that kubeconfig

  kubectl get nodes,pods --all-namespaces --output=wide

Images of engines: postgres:${postgresql} and mysql:${mysql}; a Database asks for one by
spec.engine postgresql or mysql and that spec.version.
${values.bare ? givenTo() : ''}logs: ${cluster.folder}/*.log and ${workplace.folder}/*.log
Ctrl-C stops it and removes everything.
`)

function withSuite() {
  const root = join(import.meta.dirname, '..', '..')
  return createNodeCluster({
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
}

async function bare() {
  const nodes = await startNodes({ nodes: 2, metrics: true, monitoring: values.monitoring, faults: false })
  const { stop, controlPlane } = nodes
  return {
    ...nodes,
    async stop() {
      await stop()
      await controlPlane.stop()
    },
  }
}

/** What tests need to run on it. */
function givenTo(): string {
  const { s3, controlPlane, versions, folder } = cluster
  const { version } = thisBuild()
  const ca = join(folder, 's3.crt')
  writeFileSync(ca, s3.ca)
  const variables = {
    NODE_KUBECONFIG: controlPlane.kubeconfig,
    NODE_POSTGRESQL_VERSION: versions.postgresql,
    NODE_MYSQL_VERSION: versions.mysql,
    NODE_SUITE_IMAGE: `operator-hooks:${version}`,
    NODE_POSTGRESQL_AGENT_IMAGE: `operator-hooks-postgresql-agent:${version}`,
    NODE_S3_ENDPOINT: s3.endpoint,
    NODE_S3_BUCKET: s3.bucket,
    NODE_S3_CA_FILE: ca,
    NODE_S3_ACCESS_KEY_ID: s3.accessKeyId,
    NODE_S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
  }
  const lines = Object.entries(variables).map(([name, value]) => `  export ${name}=${value}`)
  return `\n${lines.join('\n')}\n  npm run test:node -- test/node/users.test.ts\n\n`
}
