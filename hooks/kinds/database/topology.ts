// Which pod is the primary and which serve reading: the place where replication comes in. Without it every pod is
// a database of its own, so that clients are led to one pod only, the first: what one connection wrote the next one
// reads, and `replicas` above 1 costs nobody his data.
import { names } from './names.ts'
import type { Database } from './schema.ts'

/** Labels of the pod that takes writes. */
export function primarySelector(db: Database): Record<string, string> {
  // Set by the StatefulSet controller on each of its pods, of this StatefulSet alone.
  return { 'statefulset.kubernetes.io/pod-name': names(db).pod(0) }
}

/** Labels of the pods that serve reading. */
export function readonlySelector(db: Database): Record<string, string> {
  return primarySelector(db)
}

/** Whether what one replica writes reaches the others. */
export function isReplicated(_db: Database): boolean {
  return false
}
