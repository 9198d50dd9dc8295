import t from 'tap'
import { controllerOf } from '../../hooks/generate/controllers.ts'
import { database } from '../../hooks/kinds/database/index.ts'
import { type Decorator, decorator, objectsOf } from '../../hooks/sdk/definition.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { ConfigMap, Service } from '../../hooks/sdk/resources.ts'
import { applied, ask } from '../decorators/ask.ts'

const notice = 'decorators.example.com/notes'

/** A note beside each Service, which says what the annotation `note` says. */
const notes = decorator({
  name: 'notes',
  description: 'A note.',
  resources: [{ type: Service }],
  attachments: [ConfigMap],
  sets: { labels: ['noted'], annotations: ['note-taken'] },
  parameters: { language: 'en' },
  sync({ metadata: { name, annotations = {} } }, { parameters }) {
    const { note } = annotations
    if (note === undefined) return { attachments: [] }
    if (note === '') return { hold: { reason: 'Empty', message: 'there is nothing to note' } }
    return {
      attachments: [noteOf(name, `${parameters.language}: ${note}`)],
      labels: { noted: 'yes' },
      annotations: { 'note-taken': note },
      notice: note.length > 5 ? { reason: 'Long', message: 'it is long' } : undefined,
    }
  },
})
function noteOf(name: string, text: string): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text } }
}

const selective: Decorator = {
  ...notes,
  resources: [{ type: Service, labelSelector: { matchLabels: { notes: 'yes' } } }],
}

const service = (annotations: Record<string, string> = {}, metadata: object = {}): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop', uid: 's', annotations, ...metadata },
})
const note = applied({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'web' }, data: { text: 'en: hi' } })

t.test('marks that an answer leaves out are taken off, those of others stay', async (t) => {
  const { response } = ask(notes, service({ note: 'hi' }), { attachments: [note] })
  t.match(response, { labels: { noted: 'yes' }, annotations: { 'note-taken': 'hi' } })
  const marked = service({ 'note-taken': 'hi', other: 'x' }, { labels: { noted: 'yes', other: 'x' } })
  t.same(ask(notes, marked).response, { labels: { noted: null }, annotations: { 'note-taken': null }, attachments: [] })
  t.same(ask(notes, service({ other: 'x' })).response, { attachments: [] }, 'nothing is said where there is nothing')
})

t.test('a hold leaves everything as it is and says why on the object', async (t) => {
  const marked = service({ note: '', 'note-taken': 'hi' }, { labels: { noted: 'yes' } })
  const { response, hold } = ask(notes, marked, { attachments: [note] })
  t.match(hold, { reason: 'Empty' })
  t.same(response, {
    annotations: { [notice]: 'Empty: there is nothing to note' },
    attachments: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'web' }, data: { text: 'en: hi' } }],
  })
})

t.test('a notice stands beside what is done, for as long as it is so', async (t) => {
  const long = ask(notes, service({ note: 'long note' }), { attachments: [note] })
  t.match(long.response.annotations, { [notice]: 'Long: it is long' })
  t.equal(long.response.attachments.length, 1)
  t.match(long.hold, { reason: 'Long' }, 'and is told to whoever tells Events')
  const short = ask(notes, service({ note: 'hi', [notice]: 'Long: it is long' }), { attachments: [note] })
  t.equal(short.response.annotations?.[notice], null)
})

t.test('parameters are the annotations of the DecoratorController', async (t) => {
  const { response } = ask(notes, service({ note: 'hi' }), { parameters: { language: 'de' } })
  t.match(response.attachments[0], { data: { text: 'de: hi' } })
  t.match(controllerOf(notes), { metadata: { annotations: { language: 'en' } } })
})

t.test('what stays missing makes the object say that the name is taken', async (t) => {
  const at = (seconds: number) => new Date(Date.UTC(2026, 2, 1, 12, 0, seconds)).toISOString()
  const said = (seconds: number, before: string | undefined, moved = 0) => {
    const managedFields = [{ time: at(moved) }]
    const metadata = { creationTimestamp: at(0), managedFields }
    const annotations: Record<string, string> = before === undefined ? { note: 'hi' } : { note: 'hi', [notice]: before }
    return ask(notes, service(annotations, metadata), { now: at(seconds) })
  }
  const first = said(1, undefined)
  t.equal(first.response.annotations?.[notice], undefined, 'it was only just asked for')
  t.equal(first.response.resyncAfterSeconds, 5)
  t.equal(first.cacheable, false)
  const creating = String(said(31, undefined).response.annotations?.[notice])
  t.equal(creating, 'Creating: ConfigMap/web: asked for and not there yet')
  t.equal(said(31, undefined).hold, undefined, 'no event for a suspicion')
  t.equal(said(33, creating, 31).response.annotations?.[notice], creating)
  const taken = said(36, creating, 31)
  t.match(taken.response.annotations?.[notice], /^NameTaken: ConfigMap\/web cannot be created/)
  t.match(taken.hold, { reason: 'NameTaken' })
  const text = String(taken.response.annotations?.[notice])
  t.equal(said(37, text, 36).response.annotations?.[notice], text, 'it does not change its mind')
  const there = ask(notes, service({ note: 'hi', [notice]: text }), { attachments: [note] })
  t.equal(there.response.annotations?.[notice], null)
  const unknown = ask(notes, service({ note: 'hi' }), { now: at(3000) })
  t.equal(unknown.response.annotations?.[notice], undefined, 'without times nothing is claimed')
})

t.test('one that selects its objects lets them go by itself', async (t) => {
  const hooks = (definition: Decorator) => Object.keys(controllerOf(definition).spec.hooks)
  t.same(hooks(notes), ['sync'], 'one that looks at all needs no finalizer')
  t.same(hooks(selective), ['sync', 'finalize'])
  const object = service({ note: 'hi', 'note-taken': 'hi', [notice]: 'Long: x' }, { labels: { noted: 'yes' } })
  t.same(ask(selective, object, { attachments: [note], finalizing: true }).response, {
    labels: { noted: null },
    annotations: { 'note-taken': null, [notice]: null },
    attachments: [],
    finalized: true,
  })
  const slow: Decorator = { ...selective, finalize: () => ({ attachments: [], finalized: false }) }
  t.match(ask(slow, object, { attachments: [note], finalizing: true }).response, { attachments: [], finalized: false })
})

t.test("what a resource's own controller would take away cannot be attached to it", async (t) => {
  t.throws(
    () =>
      decorator({
        name: 'wrong',
        description: 'x',
        resources: [objectsOf(database)],
        attachments: [ConfigMap],
        sync: () => ({ attachments: [] }),
      }),
    { message: /^wrong: a ConfigMap cannot be attached to a Database, whose own controller takes every ConfigMap/ },
  )
})

t.test('a fault of its own is held too', async (t) => {
  const faulty: Decorator = {
    ...notes,
    sync: () => ({ attachments: [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } }] }),
  }
  const { response, hold, defect } = ask(faulty, service(), { attachments: [note] })
  t.equal(response.attachments.length, 1)
  t.match(hold, { reason: 'InvalidChild', message: /Secret\/x: v1 Secret is not among the declared children/ })
  t.ok(defect)
})
