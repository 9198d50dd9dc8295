import { tokenlessAccount } from '../../sdk/companions.ts'
import type { ServiceAccount } from '../../sdk/resources.ts'
import { labels, names } from './names.ts'
import type { WebApp } from './schema.ts'

/** The ServiceAccount <name>. Pods say for themselves whether they get a token (spec.serviceAccount.automountToken). */
export function serviceAccount(app: WebApp): ServiceAccount {
  const { annotations } = app.spec.serviceAccount
  return tokenlessAccount({ name: names(app).serviceAccount, labels: labels(app), annotations })
}
