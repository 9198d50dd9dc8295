// Security contexts that keep to the Pod Security Standards:
// https://kubernetes.io/docs/concepts/security/pod-security-standards/
import type { PodSecurityContext, SecurityContext } from 'kubernetes-types/core/v1.js'

/** The pod's part of "restricted": who runs its processes, and whom its volumes belong to. */
export function restrictedPod(user: number, group = user, fsGroup = group): PodSecurityContext {
  return {
    runAsNonRoot: true,
    runAsUser: user,
    runAsGroup: group,
    fsGroup,
    // Changing the owner of every file of a large volume at each start can take many minutes.
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
  }
}

/** A container's part of "restricted", on a read-only root file system. */
export const restrictedContainer: SecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
}
