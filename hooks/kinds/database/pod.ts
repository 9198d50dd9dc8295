// What the pods of the engine and of its backups have in common.
import type { Container, PodSpec, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import { pullSecrets } from '../../sdk/containers.ts'
import type { Settings } from '../../sdk/definition.ts'
import { imageReference } from '../../sdk/images.ts'
import { restrictedPod } from '../../sdk/podsecurity.ts'
import { placement } from '../../sdk/podspec.ts'
import { paths } from './engines/engine.ts'
import { engineOf } from './engines/index.ts'
import { names } from './names.ts'
import type { Database } from './schema.ts'
import { applicationSecret } from './secret.ts'
import { secretMode } from './token.ts'

/** The engine's image and when to pull it, for a container. */
export function engineImageFields(db: Database, settings: Settings): Pick<Container, 'image' | 'imagePullPolicy'> {
  const imagePullPolicy = db.spec.image?.pullPolicy
  const image = imageReference(db.spec.image, { repository: engineOf(db).repository, tag: db.spec.version }, settings)
  return { image, ...(imagePullPolicy && { imagePullPolicy }) }
}

const scriptMode = 0o555

/** Credentials as files: a password in the environment is inherited by every process and shown by debuggers. */
export function credentialVolumes(db: Database): Volume[] {
  return [
    {
      name: 'app-credentials',
      secret: {
        secretName: applicationSecret(db),
        defaultMode: secretMode,
        items: [
          { key: 'username', path: 'username' },
          { key: 'password', path: 'password' },
        ],
      },
    },
    superuserVolume(db),
  ]
}

/** The administrator's password, and the one before it where there is one. */
export function superuserVolume(db: Database): Volume {
  return {
    name: 'superuser-credentials',
    secret: { secretName: names(db).secret, defaultMode: secretMode },
  }
}

export const credentialMounts: VolumeMount[] = [
  { name: 'app-credentials', mountPath: paths.app, readOnly: true },
  { name: 'superuser-credentials', mountPath: paths.superuser, readOnly: true },
]

/** Scripts of the ConfigMap. */
export function scriptVolume(db: Database, keys: readonly string[]): Volume {
  return {
    name: 'scripts',
    configMap: {
      name: names(db).configuration,
      defaultMode: scriptMode,
      items: keys.map((key) => ({ key, path: key })),
    },
  }
}

/** What the pods of all Jobs that work on a Database have in common: placed as it is, without a token, as its engine's user. */
export function jobPod(db: Database, serviceAccountName: string): Omit<PodSpec, 'containers'> {
  // Spreading and affinity are for pods that live together.
  const { nodeSelector, tolerations, priorityClassName } = placement(db.spec.pod, {})
  return {
    // A failed pod stays, and with it its log.
    restartPolicy: 'Never',
    serviceAccountName,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...pullSecrets(db.spec.imagePullSecrets),
    securityContext: restrictedPod(engineOf(db).uid),
    ...(nodeSelector && { nodeSelector }),
    ...(tolerations && { tolerations }),
    ...(priorityClassName && { priorityClassName }),
  }
}
