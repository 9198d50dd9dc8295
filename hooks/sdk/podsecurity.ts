// Security contexts that keep to the Pod Security Standards:
// https://kubernetes.io/docs/concepts/security/pod-security-standards/
import type { PodSecurityContext, SecurityContext } from 'kubernetes-types/core/v1.js'

/** The pod's part of "restricted", with processes and volumes of these ids. */
export function restrictedPod(ids: { user: number; group: number; fsGroup: number }): PodSecurityContext {
  return {
    runAsNonRoot: true,
    runAsUser: ids.user,
    runAsGroup: ids.group,
    fsGroup: ids.fsGroup,
    // Changing the owner of every file of a large volume at each start can take many minutes.
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
  }
}

/** A container's part of "restricted". */
export const restrictedContainer: SecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
}
