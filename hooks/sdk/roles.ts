// How the pods of a replicated database say who they are. Kinds select by these labels; agents, and whoever stands in for
// them, write the role.

/** Label of a pod template that says by what its pods replicate one another. */
export const replicationLabel = 'example.com/replication'

/** Label of a pod with the role that the engine's agent found it to have. */
export const roleLabel = 'example.com/role'

export type Role = 'primary' | 'replica'

/** Label of a pod with the value "full" while its volume has no room left; who runs in the pod sees to it. */
export const storageLabel = 'example.com/storage'
