// The same stories on the simulator and on the real control plane end in the same objects, field by field.
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { definitions } from '../../hooks/kinds/index.ts'
import { endOf, stories } from '../scenarios/stories.ts'
import { createSimulatedCluster } from '../simulator/cluster.ts'
import { manifestsOf, resyncedOften, serviceOf } from '../simulator/service.ts'
import { createControlPlaneCluster } from './cluster.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
// Under the id that the simulator's service uses: statuses name it.
const keys = join(t.testdir({ keys: `test:${Buffer.alloc(32, 1).toString('base64')}\n` }), 'keys')
const controlPlane = await createControlPlaneCluster({
  hook: {
    command: process.execPath,
    args: [
      ...[`${root}hooks/main.ts`, 'serve', '--auth=none', `--credential-keys-file=${keys}`, '--drain-seconds=0'],
      // As the simulator's service has it, which knows no version of its own.
      ...['--suite-image=operator-hooks', '--postgresql-agent-image=operator-hooks-postgresql-agent'],
    ],
  },
  manifests: ['crds', 'metacontroller', 'deploy/generated/rbac'].map((folder) => join(root, folder)),
  faults: false,
})
t.teardown(() => controlPlane.stop())
const simulated = await createSimulatedCluster({
  hook: serviceOf(definitions),
  manifests: manifestsOf(resyncedOften(definitions)),
})
t.teardown(() => simulated.close())

for (const story of stories) {
  t.test(story.title, { timeout: 180_000 }, async (t) => {
    const [real, simulation] = await Promise.all([endOf(controlPlane, story), endOf(simulated, story)])
    const found = await simulation()
    // Metacontroller 1.5 tells a parent of a changed related object, such as a claim, with the next resync.
    const expected = await settled(real, found)
    t.strictSame(Object.keys(found), Object.keys(expected), 'the same objects are there')
    for (const [name, object] of Object.entries(expected)) t.strictSame(found[name], object, name)
  })
}

/** The end of the story on the control plane: once it equals `found`, or after a resync and some more at the latest. */
async function settled(
  end: () => Promise<Record<string, unknown>>,
  found: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const until = Date.now() + 45_000
  for (;;) {
    const now = await end()
    if (isDeepStrictEqual(now, found) || Date.now() > until) return now
    await wait(500)
  }
}
