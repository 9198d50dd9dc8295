import type { ServiceAccount } from '../../sdk/resources.ts'
import { labels, names } from './names.ts'
import type { WebApp } from './schema.ts'

/** The ServiceAccount <name>: an identity without a token, unless the spec asks for one. */
export function serviceAccount(app: WebApp): ServiceAccount {
  const { annotations = {} } = app.spec.serviceAccount
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: {
      name: names(app).serviceAccount,
      labels: labels(app),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    // Pods say for themselves whether they get one.
    automountServiceAccountToken: false,
  }
}
