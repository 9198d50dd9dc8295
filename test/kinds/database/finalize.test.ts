// Deleting a Database: in the right order, and never more than its policy says.
import t from 'tap'
import {
  change,
  child,
  conditionOf,
  createWorld,
  findChild,
  inventory,
  namespace,
  running,
  runPods,
  type Spec,
  settle,
  statusOf,
  step,
  type World,
} from './world.ts'

const destination = { claim: { name: 'store' } }

const setOf = (world: World) =>
  child(world, 'StatefulSet', 'orders').spec as { replicas: number; persistentVolumeClaimRetentionPolicy: unknown }

/** One answer of the finalize hook, carried out unless it was the last. */
function ending(world: World) {
  const { evaluation, writes } = step(world, true)
  return { ...evaluation.response, writes, reason: conditionOf(world, 'Ready')?.reason }
}

function endJob(world: World, type: 'Complete' | 'Failed'): void {
  child(world, 'Job', 'orders-final-backup').status = { conditions: [{ type, status: 'True' }] }
}

t.test('Retain: every pod stops, claims stay', async (t) => {
  const world = running({ replicas: 2 })
  const first = ending(world)
  t.equal(first.finalized, false)
  t.equal(first.reason, 'Stopping')
  t.ok(first.resyncAfterSeconds)
  t.same(first.writes, ['update StatefulSet/orders'], 'nothing else is touched')
  t.match(statusOf(world), { phase: 'Deleting' })
  t.match(setOf(world), { replicas: 0, persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain' } })
  t.equal(ending(world).finalized, false, 'the StatefulSet controller has not looked yet')
  runPods(world)
  const last = ending(world)
  t.equal(last.finalized, true)
  t.match(conditionOf(world, 'Ready')?.message, /data-orders-0, data-orders-1 stay/)
  t.same(
    Object.values(world.claims).map(({ metadata }) => metadata.ownerReferences),
    [[], []],
  )
})

t.test('Delete: the StatefulSet takes the claims over before the pods stop, and takes them along', async (t) => {
  const world = running({ replicas: 2, deletionPolicy: 'Delete' })
  t.match(setOf(world).persistentVolumeClaimRetentionPolicy, { whenDeleted: 'Retain' }, 'until it is decided')
  t.equal(ending(world).reason, 'ClaimingVolumes')
  t.match(setOf(world), {
    replicas: 2,
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
  })
  t.equal(ending(world).reason, 'ClaimingVolumes', 'the claims have no owner yet')
  runPods(world)
  t.equal(ending(world).reason, 'Stopping')
  t.match(setOf(world), { replicas: 0, persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete' } })
  runPods(world)
  t.equal(ending(world).finalized, true)
  const set = child(world, 'StatefulSet', 'orders')
  for (const claim of Object.values(world.claims)) t.match(claim.metadata.ownerReferences, [{ uid: set.metadata.uid }])
})

t.test('Delete: claims of replicas that were scaled away go too, and those of a stopped database', async (t) => {
  const scaledIn = running({ replicas: 3, deletionPolicy: 'Delete' })
  change(scaledIn, { replicas: 1 })
  settle(scaledIn)
  runPods(scaledIn)
  settle(scaledIn)
  t.equal(ending(scaledIn).reason, 'ClaimingVolumes')
  t.equal(setOf(scaledIn).replicas, 3)

  const stopped = running({ deletionPolicy: 'Delete' })
  change(stopped, { suspend: true })
  settle(stopped)
  runPods(stopped)
  settle(stopped)
  t.equal(ending(stopped).reason, 'ClaimingVolumes')
  t.equal(setOf(stopped).replicas, 1)
  runPods(stopped)
  t.equal(ending(stopped).reason, 'Stopping')
})

t.test('Delete: claims that an earlier Database of that name left behind are not touched', async (t) => {
  const world = running({ deletionPolicy: 'Delete' })
  world.parent.metadata.creationTimestamp = '2026-02-01T00:00:00Z'
  const [claim] = Object.values(world.claims)
  if (claim === undefined) throw new Error('there is no claim')
  claim.metadata.creationTimestamp = '2026-01-01T00:00:00Z'
  const earlier = structuredClone(claim)
  earlier.metadata = { ...earlier.metadata, name: 'data-orders-1', uid: 'earlier', ownerReferences: [] }
  world.claims[`${namespace}/data-orders-1`] = earlier
  ending(world)
  runPods(world)
  t.equal(ending(world).reason, 'Stopping')
  runPods(world)
  t.equal(ending(world).finalized, true)
  t.match(conditionOf(world, 'Ready')?.message, /data-orders-0 go with the StatefulSet; data-orders-1 stay/)
  t.same(earlier.metadata.ownerReferences, [])
})

t.test('a key that is gone keeps nothing from going', async (t) => {
  const world = running({ deletionPolicy: 'BackupAndRetain', backup: { destination } })
  const before = structuredClone(child(world, 'Secret', 'orders-secret').data)
  world.keys = [{ id: 'other', secret: new Uint8Array(32).fill(9) }]
  t.equal(ending(world).reason, 'FinalBackup')
  t.same(child(world, 'Secret', 'orders-secret').data, before)
  t.match(statusOf(world).credentials, { keyId: 'first' })
})

t.test('a last backup that succeeds: only then do the pods stop', async (t) => {
  const world = running({ deletionPolicy: 'BackupAndDelete', backup: { destination } })
  const first = ending(world)
  t.equal(first.reason, 'FinalBackup')
  t.same(first.writes, ['create NetworkPolicy/orders-backup', 'create Job/orders-final-backup'])
  t.equal(setOf(world).replicas, 1)
  t.match(conditionOf(world, 'FinalBackupSucceeded'), { status: 'Unknown', reason: 'Running' })
  t.equal(ending(world).reason, 'FinalBackup')
  endJob(world, 'Complete')
  t.equal(ending(world).reason, 'ClaimingVolumes')
  t.match(conditionOf(world, 'FinalBackupSucceeded'), { status: 'True' })
  t.ok(findChild(world, 'Job', 'orders-final-backup'), 'its result is remembered')
  runPods(world)
  t.equal(ending(world).reason, 'Stopping')
  runPods(world)
  t.equal(ending(world).finalized, true)
})

t.test('a last backup that fails: everything stays, and there are three ways on', async (t) => {
  const failing = () => {
    const world = running({ deletionPolicy: 'BackupAndDelete', backup: { destination } })
    ending(world)
    endJob(world, 'Failed')
    return world
  }
  const world = failing()
  const stuck = ending(world)
  t.equal(stuck.reason, 'FinalBackupFailed')
  t.equal(stuck.finalized, false)
  t.match(conditionOf(world, 'FinalBackupSucceeded'), {
    status: 'False',
    message: /delete that Job to try again, or set spec\.deletionPolicy/,
  })
  t.match(setOf(world), { replicas: 1, persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain' } })
  t.same(ending(world).writes, [], 'and it stays so')

  world.children['Job.batch/v1'] = {}
  t.same(ending(world).writes, ['create Job/orders-final-backup'], 'again')
  endJob(world, 'Complete')
  t.equal(ending(world).reason, 'ClaimingVolumes')

  const kept = failing()
  change(kept, { deletionPolicy: 'Retain' })
  t.equal(ending(kept).reason, 'Stopping')
  runPods(kept)
  t.equal(ending(kept).finalized, true)
  t.same(
    Object.values(kept.claims).flatMap(({ metadata }) => metadata.ownerReferences),
    [],
  )

  const dropped = failing()
  change(dropped, { deletionPolicy: 'Delete' })
  t.equal(ending(dropped).reason, 'ClaimingVolumes')
})

t.test('a stopped database runs once more for its last backup', async (t) => {
  const world = running({ deletionPolicy: 'BackupAndRetain', backup: { destination } })
  change(world, { suspend: true })
  settle(world)
  runPods(world)
  settle(world)
  t.equal(ending(world).reason, 'FinalBackup')
  t.equal(setOf(world).replicas, 1)
})

t.test('scheduled backups pause', async (t) => {
  const world = running({ backup: { enabled: true, destination } })
  ending(world)
  t.match(child(world, 'DatabaseBackup', 'orders-backup').spec, { suspend: true })
})

t.test('with --cascade=foreground the claims are out of reach of the collector', async (t) => {
  for (const deletionPolicy of ['Retain', 'Delete', 'BackupAndDelete']) {
    const world = running({ deletionPolicy, backup: { destination } })
    world.parent.metadata.finalizers = ['foregroundDeletion', 'metacontroller.io/compositecontroller-databases']
    t.match(setOf(world).persistentVolumeClaimRetentionPolicy, { whenDeleted: 'Retain' })
    const last = ending(world)
    t.equal(last.finalized, true)
    t.equal(last.reason, 'DeletedInForeground')
    t.match(conditionOf(world, 'Ready')?.message, /data-orders-0 stay/)
  }
})

t.test('deletion rolls no pod, whatever else was changed on the way', async (t) => {
  const world = running()
  const templateOf = () => (child(world, 'StatefulSet', 'orders').spec as { template: unknown }).template
  const before = structuredClone(templateOf())
  change(world, { version: '17.2', parameters: { shared_buffers: '1GB' }, resources: { limits: { memory: '8Gi' } } })
  t.equal(ending(world).reason, 'Stopping')
  t.same(templateOf(), before)
})

t.test('the last backup is made by the tools of the version that runs', async (t) => {
  const world = running({ deletionPolicy: 'BackupAndRetain', backup: { destination } })
  change(world, { version: '17.2' })
  t.equal(ending(world).reason, 'FinalBackup')
  t.match(child(world, 'Job', 'orders-final-backup').spec, {
    template: { spec: { initContainers: [{ image: 'postgres:13.8' }] } },
  })
})

t.test('nothing was made: it goes at once', async (t) => {
  const world = createWorld()
  t.equal(ending(world).finalized, true)
  const invalid = createWorld({ replicas: 99 })
  t.equal(ending(invalid).finalized, true)
})

t.test('the StatefulSet was taken away before: claims stay, and the status says why', async (t) => {
  const world = running({ deletionPolicy: 'Delete' })
  world.children['StatefulSet.apps/v1'] = {}
  const last = ending(world)
  t.equal(last.finalized, true)
  t.match(conditionOf(world, 'Ready')?.message, /data-orders-0 stay, because the StatefulSet .* is gone/)
})

t.test('an invalid spec holds the deletion, and says so, until it is valid', async (t) => {
  const world = running()
  change(world, { replicas: 99 } satisfies Spec)
  const before = inventory(world)
  const held = ending(world)
  t.equal(held.finalized, false)
  t.same(held.writes, [])
  t.same(inventory(world), before)
  t.match(conditionOf(world, 'Ready'), { reason: 'InvalidSpec' })
  change(world, { replicas: 1 })
  t.equal(ending(world).reason, 'Stopping')
})
