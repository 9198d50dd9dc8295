// External Secrets: the credentials of a Database from Vault or another store, in the Secret that the Database names.
// https://external-secrets.io/latest/api/externalsecret/
import { database } from '../../kinds/database/index.ts'
import { labels } from '../../kinds/database/names.ts'
import type { Database } from '../../kinds/database/schema.ts'
import { decorator, objectsOf } from '../../sdk/definition.ts'
import type { ObjectMeta } from '../../sdk/kubernetes.ts'
import { resourceType } from '../../sdk/resources.ts'

type ExternalSecret = {
  apiVersion: 'external-secrets.io/v1'
  kind: 'ExternalSecret'
  metadata: ObjectMeta & { name: string }
  spec: {
    refreshInterval: string
    secretStoreRef: { name: string; kind: 'SecretStore' | 'ClusterSecretStore' }
    target: { name: string; creationPolicy: 'Orphan'; deletionPolicy: 'Retain' }
    data: {
      secretKey: string
      remoteRef: {
        key: string
        property: string
        conversionStrategy: 'Default'
        decodingStrategy: 'None'
        metadataPolicy: 'None'
      }
    }[]
  }
}

const ExternalSecret = resourceType<ExternalSecret>('external-secrets.io/v1', 'ExternalSecret', 'externalsecrets')

export const externalSecrets = decorator({
  name: 'external-secrets',
  description: 'An ExternalSecret for each Database with credentials.external, which fills the Secret that it names.',
  resources: [{ ...objectsOf<Database>(database), ignoreStatusChanges: true }],
  attachments: [ExternalSecret],
  sync: (db) => ({ attachments: [externalSecret(db)] }),
})

function externalSecret(db: Database): ExternalSecret | undefined {
  const { secretName, external } = db.spec.credentials
  if (external === undefined || secretName === undefined) return undefined
  const { key, secretStoreRef, refreshInterval } = external
  // The defaults of the API are written out: it fills them in inside of the list, which is compared whole.
  const remoteRef = (property: string) =>
    ({ key, property, conversionStrategy: 'Default', decodingStrategy: 'None', metadataPolicy: 'None' }) as const
  return {
    apiVersion: 'external-secrets.io/v1',
    kind: 'ExternalSecret',
    metadata: { name: secretName, labels: labels(db) },
    spec: {
      refreshInterval,
      secretStoreRef: { name: secretStoreRef.name, kind: secretStoreRef.kind },
      // A Secret that went with its ExternalSecret would take a running database's password along.
      target: { name: secretName, creationPolicy: 'Orphan', deletionPolicy: 'Retain' },
      data: [
        { secretKey: 'username', remoteRef: remoteRef(external.usernameProperty) },
        { secretKey: 'password', remoteRef: remoteRef(external.passwordProperty) },
      ],
    },
  }
}
