// The simulator's API server against the real one: what each makes of the same objects.
import t from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { createSimulator, isApiError } from '../../hooks/simulator/index.ts'
import { copy } from '../../hooks/simulator/json.ts'
import { patches, refused, taken, thingCrd, things } from '../simulator/samples.ts'
import { ensureBinaries } from './build.ts'
import { startControlPlane } from './controlplane.ts'
import { untilKindServed } from './manifests.ts'

await ensureBinaries()

const namespace = 'agree'

t.test('the simulated API server stores and refuses what the real one does', { timeout: 120_000 }, async (t) => {
  const plane = await startControlPlane()
  t.teardown(() => plane.stop())
  const real = plane.client
  const simulated = createSimulator({ metacontroller: false })
  t.teardown(simulated.stop)
  for (const server of [real, simulated]) {
    await server.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
    await server.create(thingCrd)
  }
  await untilKindServed(real, thingCrd)

  const within = (object: KubernetesObject) => ({ ...object, metadata: { ...object.metadata, namespace } })
  const compare = async (what: string, ask: (server: typeof real | typeof simulated) => Promise<KubernetesObject>) => {
    const [there, here] = [await attempt(() => ask(real)), await attempt(() => ask(simulated))]
    t.same(here, there, what)
  }
  for (const [what, object] of Object.entries({ ...taken, ...refused })) {
    await compare(what, (server) => server.create(within(object)))
  }
  for (const [of, patch] of patches) {
    const { apiVersion = '', kind = '', metadata: { name = '' } = {} } = taken[of] ?? {}
    const reference = { apiVersion, kind, name, namespace }
    await compare(`${of}: ${JSON.stringify(patch)}`, (server) => server.patch(reference, patch))
  }
  for (const [name, spec] of things) {
    const thing = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name }, spec }
    // Not by server-side apply, which refuses some of them in words of its own before the schema is asked.
    const put = (server: typeof real | typeof simulated) =>
      server === real ? real.replace(within(thing)) : simulated.apply(within(thing))
    await compare(`Thing ${name}: ${JSON.stringify(spec)}`, put)
  }
})

/** The stored object without what differs between any two servers, or the refusal by code, field and kind of error. */
async function attempt(request: () => Promise<KubernetesObject>): Promise<unknown> {
  try {
    const stored = comparable(await request())
    return { generation: stored.metadata.generation, stored }
  } catch (error) {
    if (!isApiError(error)) throw error
    const causes = error.causes.map(({ field, message }) => `${field}: ${/^[^:]*/.exec(message)?.[0]}`)
    return { code: error.code, reason: error.reason, causes: [...new Set(causes)].sort() }
  }
}

function comparable(object: KubernetesObject): KubernetesObject {
  const { status: _status, ...rest } = copy(object)
  const { name, generation, labels, annotations, finalizers } = rest.metadata
  const text = JSON.stringify({ ...rest, metadata: { name, generation, labels, annotations, finalizers } })
  const neutral = text
    .replaceAll(object.metadata.uid ?? '-', '<uid>')
    .replace(/"10\.96\.\d+\.\d+"/g, '"<address>"')
    .replace(/"nodePort":\d+/g, '"nodePort":"<port>"')
  return JSON.parse(neutral)
}
