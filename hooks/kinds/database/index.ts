// Database: PostgreSQL, MySQL or MongoDB from one resource.
import { composite } from '../../sdk/definition.ts'
import { EndpointSlice, PersistentVolumeClaim, Pod, ResourceQuota, StatefulSet } from '../../sdk/resources.ts'
import { DatabaseBackups } from '../databasebackup/resource.ts'
import { children } from './children.ts'
import { allEngines } from './engines/index.ts'
import { finalize } from './finalize.ts'
import { claimLabels, names } from './names.ts'
import { isPhysical } from './recovery/pending.ts'
import { columns, rules, scale, spec, status } from './schema.ts'
import { counts } from './status.ts'
import { fullPodLabels } from './storage.ts'
import { sync } from './sync.ts'
import { validate } from './validate.ts'

export const database = composite({
  group: 'example.com',
  kind: 'Database',
  plural: 'databases',
  shortNames: ['db'],
  categories: ['all'],
  description:
    'A PostgreSQL, MySQL or MongoDB database: its pods and volumes, configuration, credentials, Services and backups.',
  versions: { v1: { spec, status, rules, columns, scale } },
  storage: 'v1',
  children,
  grants: [
    // What the Role of a growing database holds, for its own claims alone.
    { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['get', 'patch'] },
    // And those of replicated ones, for the agents in their pods.
    ...allEngines().flatMap(({ replication }) => replication?.grants ?? []),
  ],
  validate,
  counts: (metadata, observed) => counts(observed.get(StatefulSet, names({ metadata }).statefulSet)),
  sync,
  finalize,
  // Claims are made by the StatefulSet controller, which labels them as it selects its pods, and belong to nobody: they
  // are only looked at. So are the quotas of the namespace, all of them, and the slices of its own Services, which bear
  // their Service's labels; the pods of a recovery; those
  // whose volumes are full; and the DatabaseBackup that it is from.
  relatedTypes: [EndpointSlice, PersistentVolumeClaim, ResourceQuota, Pod, DatabaseBackups],
  // Labels that follow from the name alone: see evaluateCustomize for what Metacontroller 1.5 would mix up otherwise.
  related: (db) => [
    { type: PersistentVolumeClaim, labels: claimLabels(db) },
    { type: EndpointSlice, labels: claimLabels(db) },
    { type: ResourceQuota },
    { type: Pod, labels: claimLabels(db, 'restore') },
    { type: Pod, labels: fullPodLabels(db) },
    // The first of these restores a physical backup. Of no other Database: what Patroni writes on pods changes all the time.
    ...(isPhysical(db) ? [{ type: Pod, labels: claimLabels(db) }] : []),
    // Always one, because Metacontroller 1.5 is asked for all of the namespace then.
    { type: DatabaseBackups, names: [db.spec.bootstrap?.recovery?.source.backupRef?.name ?? names(db).backup] },
  ],
})
