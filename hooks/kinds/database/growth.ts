// Growing volumes. The claims of a StatefulSet are no children of the Database (they must outlive it), and a
// StatefulSet's claim templates never change. So a short-lived Job with rights to nothing but these claims asks for
// more, and whether the StorageClass can is its to say: docs/decisions/0012-growing-volumes.md.

import type { ConditionInput } from '../../sdk/conditions.ts'
import { pullSecrets } from '../../sdk/containers.ts'
import type { Context, Settings } from '../../sdk/definition.ts'
import { prefixedImage } from '../../sdk/images.ts'
import { shortHash } from '../../sdk/names.ts'
import { apiServer } from '../../sdk/network.ts'
import type { Live } from '../../sdk/observed.ts'
import { restrictedContainer, restrictedPod } from '../../sdk/podsecurity.ts'
import { compareQuantities } from '../../sdk/quantity.ts'
import {
  type Job,
  Job as JobType,
  type NetworkPolicy,
  PersistentVolumeClaim,
  type Role,
  type RoleBinding,
  type ServiceAccount,
} from '../../sdk/resources.ts'
import type { DatabaseChildren } from './children.ts'
import { jobOutcome } from './jobs.ts'
import { labels, maxReplicas, names, selectorLabels } from './names.ts'
import { helperResources } from './resources.ts'
import type { Database } from './schema.ts'
import { storageSize } from './statefulset.ts'

type Claim = Live<PersistentVolumeClaim>

/** The claims of this Database that exist, in order. */
export function claimsOf(db: Database, { related }: Pick<Context<DatabaseChildren>, 'related'>): Claim[] {
  return claimNames(db)
    .map((name) => related.get(PersistentVolumeClaim, name))
    .filter((claim) => claim !== undefined)
}

/** Names that claims of this Database may have. */
function claimNames(db: Database): string[] {
  return Array.from({ length: maxReplicas }, (_, ordinal) => names(db).claim(ordinal))
}

/** What it takes to grow the claims that are too small: nothing when there are none. */
export function growth(
  db: Database,
  settings: Settings,
  claims: readonly Claim[],
): (Job | NetworkPolicy | Role | RoleBinding | ServiceAccount)[] {
  const small = smallClaims(db, claims)
  if (small.length === 0) return []
  const name = names(db).growth
  const metadata = { name, labels: labels(db, 'maintenance') }
  return [
    growthJob(db, settings, small),
    ...(db.spec.networkPolicy.enabled ? [growthPolicy(db)] : []),
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata, automountServiceAccountToken: false },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata,
      rules: [
        {
          apiGroups: [''],
          resources: ['persistentvolumeclaims'],
          resourceNames: small.map((claim) => claim.metadata.name),
          verbs: ['get', 'patch'],
        },
      ],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: db.metadata.namespace ?? '' }],
    },
  ]
}

/** Says whether the volumes have the size that is asked for; undefined while there are no claims to be seen. */
export function storageCondition(
  db: Database,
  claims: readonly Claim[],
  { observed }: Pick<Context<DatabaseChildren>, 'observed'>,
): ConditionInput | undefined {
  if (claims.length === 0) return undefined
  const size = storageSize(db)
  const type = 'StorageExpanded'
  const small = smallClaims(db, claims)
  if (small.length > 0) {
    const job = observed.get(JobType, growthJobName(db, small))
    if (jobOutcome(job) === 'failed') {
      return {
        type,
        status: 'False',
        reason: 'ExpansionRefused',
        message: `${list(small)} cannot be made larger, most often because the StorageClass does not allow expansion: see the log of Job/${job?.metadata.name}, and delete that Job to try again`,
      }
    }
    return { type, status: 'False', reason: 'Expanding', message: `asking for ${size} for ${list(small)}` }
  }
  const waiting = claims.filter((claim) => compareQuantities(claim.status?.capacity?.storage ?? '0', size) < 0)
  if (waiting.length > 0) {
    return { type, status: 'False', reason: 'Resizing', message: `waiting for ${size} for ${list(waiting)}` }
  }
  return { type, status: 'True', reason: 'SizeReached', message: `every volume has at least ${size}` }
}

/** The smallest size that a volume is known to have. */
export function smallestCapacity(claims: readonly Claim[]): string | undefined {
  return claims
    .map((claim) => claim.status?.capacity?.storage)
    .filter((capacity) => capacity !== undefined)
    .reduce<string | undefined>(
      (least, capacity) => (least === undefined || compareQuantities(capacity, least) < 0 ? capacity : least),
      undefined,
    )
}

function smallClaims(db: Database, claims: readonly Claim[]): Claim[] {
  const size = storageSize(db)
  return claims.filter(
    (claim) =>
      claim.metadata.deletionTimestamp === undefined &&
      // The API server lets only bound claims grow.
      claim.status?.phase === 'Bound' &&
      compareQuantities(claim.spec?.resources?.requests?.storage ?? size, size) < 0,
  )
}

function list(claims: readonly Claim[]): string {
  return claims.map((claim) => claim.metadata.name).join(', ')
}

// A Job's template never changes: another size or other claims are another Job.
function growthJobName(db: Database, small: readonly Claim[]): string {
  return `${names(db).growth}-${shortHash(`${storageSize(db)} ${list(small)}`)}`
}

function growthJob(db: Database, settings: Settings, small: readonly Claim[]): Job {
  const patch = JSON.stringify({ spec: { resources: { requests: { storage: storageSize(db) } } } })
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: growthJobName(db, small), labels: labels(db, 'maintenance') },
    spec: {
      backoffLimit: 3,
      activeDeadlineSeconds: 600,
      template: {
        metadata: { labels: labels(db, 'maintenance') },
        spec: {
          restartPolicy: 'Never',
          serviceAccountName: names(db).growth,
          automountServiceAccountToken: true,
          enableServiceLinks: false,
          ...pullSecrets(db.spec.imagePullSecrets),
          securityContext: restrictedPod(65534),
          containers: [
            {
              name: 'kubectl',
              image: prefixedImage(db.spec.storage.resizeImage ?? kubectlImage, settings),
              args: [
                'patch',
                'persistentvolumeclaim',
                ...small.map((claim) => claim.metadata.name),
                '--type=merge',
                `--patch=${patch}`,
              ],
              // kubectl caches what it discovers.
              env: [{ name: 'HOME', value: '/tmp' }],
              resources: helperResources,
              securityContext: restrictedContainer,
              volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
            },
          ],
          volumes: [{ name: 'tmp', emptyDir: { sizeLimit: '16Mi' } }],
        },
      },
    },
  }
}

// Where a namespace denies what is not allowed.
function growthPolicy(db: Database): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: names(db).growth, labels: labels(db, 'maintenance') },
    spec: {
      podSelector: { matchLabels: selectorLabels(db, 'maintenance') },
      policyTypes: ['Ingress', 'Egress'],
      egress: [apiServer],
    },
  }
}

const kubectlImage = 'registry.k8s.io/kubectl:v1.34.1'
