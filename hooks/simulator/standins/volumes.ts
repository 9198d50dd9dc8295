// Volumes: claims are bound once a pod uses them, grow where their class lets them, and are kept while in use.
import type { KubernetesObject } from '../../sdk/kubernetes.ts'
import { at, copy, listAt, recordAt, textAt } from '../json.ts'
import { referenceOf } from '../store.ts'
import { type Loop, startLoop, type World, writeStatus } from './loop.ts'
import { claimsOf, claimType, hasEnded, podType } from './pods.ts'

const volumeType = { apiVersion: 'v1', kind: 'PersistentVolume' }
const protection = 'kubernetes.io/pvc-protection'

/** Makes the classes `standard`, the default, which can grow, and `fixed`, which cannot. */
export function startVolumes(world: World): Loop {
  const { client } = world
  for (const [name, allowVolumeExpansion] of [
    ['standard', true],
    ['fixed', false],
  ] as const) {
    const annotations: Record<string, string> =
      name === 'standard' ? { 'storageclass.kubernetes.io/is-default-class': 'true' } : {}
    client.create({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name, annotations },
      provisioner: 'simulator.test/volumes',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion,
    })
  }
  const usersOf = (claim: KubernetesObject) =>
    client
      .list(podType, claim.metadata.namespace)
      .filter((pod) => !hasEnded(pod) && claimsOf(pod).includes(claim.metadata.name ?? ''))
  const reconcile = (claim: KubernetesObject): undefined => {
    const used = usersOf(claim).length > 0
    if (claim.metadata.deletionTimestamp !== undefined) {
      if (!used) release(world, claim)
    } else if (used || textAt(claim, 'spec', 'volumeName') !== undefined) bind(world, claim)
  }
  return startLoop(world, claimType, [], reconcile, (changed) =>
    changed.kind === 'Pod'
      ? claimsOf(changed).map((name) => ({
          ...claimType,
          metadata: { name, namespace: changed.metadata.namespace ?? '' },
        }))
      : [],
  )
}

function bind({ client }: World, claim: KubernetesObject): void {
  const name = `pvc-${claim.metadata.uid}`
  const requested = at(claim, 'spec', 'resources', 'requests', 'storage')
  if (textAt(claim, 'spec', 'volumeName') === undefined) {
    const { apiVersion, kind } = claim
    client.create({
      ...volumeType,
      metadata: { name },
      spec: {
        accessModes: listAt(claim, 'spec', 'accessModes'),
        capacity: { storage: requested },
        claimRef: {
          apiVersion,
          kind,
          name: claim.metadata.name,
          namespace: claim.metadata.namespace,
          uid: claim.metadata.uid,
        },
        persistentVolumeReclaimPolicy: 'Delete',
        storageClassName: textAt(claim, 'spec', 'storageClassName'),
        hostPath: { path: `/volumes/${name}` },
      },
    })
    const bound = copy(claim)
    recordAt(bound, 'spec').volumeName = name
    client.update(bound)
  }
  writeStatus(client, claim, {
    phase: 'Bound',
    accessModes: listAt(claim, 'spec', 'accessModes'),
    capacity: { storage: requested },
  })
}

function release({ client }: World, claim: KubernetesObject): void {
  const volume = textAt(claim, 'spec', 'volumeName')
  if (!(claim.metadata.finalizers ?? []).includes(protection)) return
  const updated = copy(claim)
  updated.metadata.finalizers = (updated.metadata.finalizers ?? []).filter((finalizer) => finalizer !== protection)
  client.update(updated)
  const reference = { ...volumeType, name: volume ?? '' }
  const found = volume === undefined ? undefined : client.get(reference)
  if (found !== undefined && textAt(found, 'spec', 'persistentVolumeReclaimPolicy') === 'Delete')
    client.remove(referenceOf(found))
}
