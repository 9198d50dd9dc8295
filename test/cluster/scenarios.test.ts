// Every scenario on the real control plane: etcd, kube-apiserver, the controllers, the scheduler and Metacontroller.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { scenariosFor } from '../scenarios/index.ts'
import { createControlPlaneCluster } from './cluster.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
// One key for the whole run: the service is killed and started again, and passwords must stay what they are.
const keys = join(t.testdir({ keys: `test:${Buffer.alloc(32, 7).toString('base64')}\n` }), 'keys')
const cluster = await createControlPlaneCluster({
  hook: {
    command: process.execPath,
    args: [`${root}hooks/main.ts`, 'serve', '--auth=none', `--credential-keys-file=${keys}`, '--events'],
  },
  manifests: [
    `${root}crds`,
    `${root}metacontroller`,
    `${root}metacontroller/decorators/tenancy`,
    `${root}deploy/generated/rbac`,
    `${root}deploy/generated/events`,
  ],
})
t.teardown(() => cluster.stop())

const { carried, left } = scenariosFor(cluster)
for (const { title, seconds = 120, run } of carried) {
  t.test(title, { timeout: seconds * 1000 }, () => run(cluster))
}
for (const title of left) t.test(title, { skip: 'another tier carries it' }, async () => {})
