// cert-manager: the certificates that resources of this suite ask an issuer for.
// https://cert-manager.io/docs/reference/api-docs/#cert-manager.io/v1.Certificate
import { database } from '../../kinds/database/index.ts'
import { labels as databaseLabels, names } from '../../kinds/database/names.ts'
import type { Database } from '../../kinds/database/schema.ts'
import { webapp } from '../../kinds/webapp/index.ts'
import { certificateSecret } from '../../kinds/webapp/ingress.ts'
import { labels as webAppLabels } from '../../kinds/webapp/names.ts'
import type { WebApp } from '../../kinds/webapp/schema.ts'
import { decorator, objectsOf } from '../../sdk/definition.ts'
import type { ObjectMeta } from '../../sdk/kubernetes.ts'
import { isOf, resourceType } from '../../sdk/resources.ts'

type Certificate = {
  apiVersion: 'cert-manager.io/v1'
  kind: 'Certificate'
  metadata: ObjectMeta & { name: string }
  spec: {
    secretName: string
    dnsNames: string[]
    issuerRef: { name: string; kind: string; group: string }
    usages: string[]
  }
}

const Certificate = resourceType<Certificate>('cert-manager.io/v1', 'Certificate', 'certificates')

const databases = objectsOf<Database>(database)
const webApps = objectsOf<WebApp>(webapp)

export const certManager = decorator({
  name: 'cert-manager',
  description: 'A Certificate for each Database with tls.issuerRef and each WebApp with exposure.tls.issuerRef.',
  resources: [
    { ...databases, ignoreStatusChanges: true },
    { ...webApps, ignoreStatusChanges: true },
  ],
  attachments: [Certificate],
  sync: (object) => ({ attachments: [isOf(webApps.type, object) ? ofWebApp(object) : ofDatabase(object)] }),
})

function ofWebApp(app: WebApp): Certificate | undefined {
  const { host, tls } = app.spec.exposure ?? {}
  if (host === undefined || tls?.issuerRef === undefined) return undefined
  return certificate(certificateSecret(app), tls.issuerRef, {
    labels: webAppLabels(app),
    dnsNames: [host],
    usages: ['digital signature', 'key encipherment', 'server auth'],
  })
}

function ofDatabase(db: Database): Certificate | undefined {
  const { tls, engine } = db.spec
  if (tls?.issuerRef === undefined) return undefined
  const { primary, readonly, headless } = names(db)
  const { namespace } = db.metadata
  // As short as a client may write it, and with the cluster's domain, which is not known here, in none.
  const hosts = [primary, readonly, `*.${headless}`].flatMap((name) => [
    `${name}.${namespace}`,
    `${name}.${namespace}.svc`,
  ])
  return certificate(tls.secretName, tls.issuerRef, {
    labels: databaseLabels(db),
    dnsNames: [primary, readonly, ...hosts, 'localhost'],
    // A member of a MongoDB replica set is the client of the others.
    usages: ['digital signature', 'key encipherment', 'server auth', ...(engine === 'mongodb' ? ['client auth'] : [])],
  })
}

/** Named after the Secret that it fills. */
function certificate(
  secretName: string,
  { name, kind, group }: { name: string; kind: string; group: string },
  { labels, dnsNames, usages }: { labels: Record<string, string>; dnsNames: string[]; usages: string[] },
): Certificate {
  return {
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { name: secretName, labels },
    spec: { secretName, dnsNames, issuerRef: { name, kind, group }, usages },
  }
}
