import { tokenlessAccount } from '../../sdk/companions.ts'
import type { ServiceAccount } from '../../sdk/resources.ts'
import { labels, names } from './names.ts'
import type { Database } from './schema.ts'

/** The ServiceAccount <name>: an identity without a token, unless a cloud's annotation brings one. */
export function serviceAccount(db: Database): ServiceAccount {
  const { annotations } = db.spec.serviceAccount
  return tokenlessAccount({ name: names(db).serviceAccount, labels: labels(db), annotations })
}
