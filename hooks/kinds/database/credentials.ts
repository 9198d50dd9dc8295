// Which key and rotation the passwords are derived from, and when that changes.
import type { Context } from '../../sdk/definition.ts'
import type { Database, DatabaseStatus } from './schema.ts'

/** What passwords are derived from. */
export interface Origin {
  keyId: string
  rotation: number
}

/** The origin of the passwords in force, and of those before the last rotation. */
export interface Origins {
  current: Origin
  previous?: Origin
}

/**
 * The origins for this answer. Passwords stay with the key that they were derived from, which the status keeps,
 * until the rotation counter moves; and it moves only while the engine runs, because the engine has to be told.
 * A string says why nothing can be derived: it is a reason to hold.
 */
export function originsOf(
  db: Database,
  { credentials }: Pick<Context, 'credentials'>,
  running: boolean,
): Origins | string {
  const { rotation } = db.spec.credentials
  const recorded = recordedOrigins(db.status?.credentials)
  if (recorded === undefined) return { current: { keyId: credentials.currentKeyId, rotation } }
  if (!credentials.hasKey(recorded.current.keyId)) {
    return `the passwords were derived from the key "${recorded.current.keyId}", which the service does not have any more: configure it again beside the current one, raise spec.credentials.rotation, and take it away when the rotation is through`
  }
  if (recorded.current.rotation !== rotation && running) {
    return { current: { keyId: credentials.currentKeyId, rotation }, previous: recorded.current }
  }
  const { previous } = recorded
  if (previous === undefined || !credentials.hasKey(previous.keyId)) return { current: recorded.current }
  return { current: recorded.current, previous }
}

function recordedOrigins(recorded: DatabaseStatus['credentials']): Origins | undefined {
  if (recorded?.keyId === undefined || recorded.rotation === undefined) return undefined
  const current = { keyId: recorded.keyId, rotation: recorded.rotation }
  return recorded.previous === undefined ? { current } : { current, previous: recorded.previous }
}
