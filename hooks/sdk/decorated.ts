// What a decorator leaves on the objects that it decorates beside its attachments: labels and annotations of its own, and
// one annotation that says what is the matter. A decorated object's status belongs to others, and Events are optional and
// go after an hour; `kubectl describe` shows an annotation for as long as it is true.
import type { Change } from './changes.ts'
import type { Decorator } from './definition.ts'
import type { KubernetesObject } from './kubernetes.ts'

/** Something to be told of a decorated object. */
export interface Notice {
  /** CamelCase, a constant. */
  reason: string
  /** For people. Nothing in it may move by itself: each change is a write. */
  message: string
}

/** Labels and annotations of an answer; null takes one off. */
export interface Marks {
  labels?: Record<string, string | null>
  annotations?: Record<string, string | null>
}

/** The annotation that holds what is the matter: `decorators.example.com/velero: "InvalidSchedule: …"`. */
export function noticeAnnotation({ name, noticeAnnotation }: Decorator): string {
  return noticeAnnotation ?? `decorators.example.com/${name}`
}

/**
 * The marks of an answer. What the decorator `sets` and this answer leaves out is taken off, and so is a notice that does
 * not hold any more. Undefined where nothing is there to be changed, so that an answer stays as small as its content.
 */
export function marksOf(
  decorator: Decorator,
  object: KubernetesObject,
  stated: Marks,
  notice: Notice | undefined,
): Marks {
  const { sets = {} } = decorator
  const { labels = {}, annotations = {} } = object.metadata
  const told = notice === undefined ? {} : { [noticeAnnotation(decorator)]: textOf(notice) }
  const ofLabels = { ...takenOff(sets.labels ?? [], labels), ...stated.labels }
  const ofAnnotations = {
    ...takenOff([...(sets.annotations ?? []), noticeAnnotation(decorator)], annotations),
    ...stated.annotations,
    ...told,
  }
  return {
    ...(Object.keys(ofLabels).length > 0 && { labels: ofLabels }),
    ...(Object.keys(ofAnnotations).length > 0 && { annotations: ofAnnotations }),
  }
}

/** The notice on the object, as its text. */
function noticeOn(decorator: Decorator, object: KubernetesObject): string | undefined {
  return object.metadata.annotations?.[noticeAnnotation(decorator)]
}

/** A notice as it is written. */
function textOf({ reason, message }: Notice): string {
  const text = `${reason}: ${message}`
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text
}

/** A Metacontroller that has been told creates an attachment at once; what is missing for longer has another reason. */
const suspiciousAfterSeconds = 30
const nameTakenAfterSeconds = 5

/**
 * What to say of attachments that are asked for and not there. Where somebody else's object has the name, Metacontroller
 * leaves it alone without a word. There is no memory but the object itself: so the first suspicion is a notice, and when
 * that has been standing for some seconds and nothing has come, the name is taken. An object that moved a moment ago, or
 * whose controller is as young, is not suspected.
 */
export function missingNotice(
  decorator: Decorator,
  object: KubernetesObject,
  controller: KubernetesObject,
  missing: readonly Change[],
  now: Date,
): Notice | undefined {
  if (missing.length === 0) return undefined
  const names = missing.map(({ kind, name }) => `${kind}/${name}`).join(', ')
  const creating = { reason: 'Creating', message: `${names}: asked for and not there yet` }
  const taken = {
    reason: 'NameTaken',
    message: `${names} cannot be created: an object of that name exists that belongs to something else, and it is left alone; rename or delete it`,
  }
  const before = noticeOn(decorator, object)
  if (before === textOf(taken)) return taken
  const seconds = (now.getTime() - Math.max(lastMoved(object), lastMoved(controller))) / 1000
  if (before === textOf(creating)) return seconds >= nameTakenAfterSeconds ? taken : creating
  return seconds >= suspiciousAfterSeconds ? creating : undefined
}

const longest = 1024

function takenOff(keys: readonly string[], present: Record<string, string>): Record<string, null> {
  return Object.fromEntries(keys.filter((key) => present[key] !== undefined).map((key) => [key, null]))
}

/** When an object was last written, in milliseconds; for ever in the future where that is not known. */
function lastMoved({ metadata }: KubernetesObject): number {
  const managers = (metadata.managedFields ?? []) as { time?: string }[]
  const times = [metadata.creationTimestamp, ...managers.map(({ time }) => time)].map((time) => Date.parse(time ?? ''))
  const known = times.filter((time) => !Number.isNaN(time))
  return known.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...known)
}
