// What the pods may do: spec.security.podSecurityStandard, in the words of a pod.
import type { PodSecurityContext, SecurityContext } from 'kubernetes-types/core/v1.js'
import { restrictedContainer, restrictedPod } from '../../sdk/podsecurity.ts'
import { portsOf } from './ports.ts'
import type { WebApp } from './schema.ts'

/**
 * Who runs a restricted application, whatever its image says: Kubernetes cannot tell whether an image's user by name is
 * root, and 10001 owns nothing on any node.
 */
const unprivileged = 10001

export function podSecurity(app: WebApp): PodSecurityContext {
  const { podSecurityStandard, runAsUser, runAsGroup, fsGroup } = app.spec.security
  if (podSecurityStandard === 'restricted') {
    return {
      ...restrictedPod(runAsUser ?? unprivileged, runAsGroup ?? unprivileged, fsGroup ?? unprivileged),
      ...lowPorts(app),
    }
  }
  return {
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(fsGroup === undefined ? {} : { fsGroup, fsGroupChangePolicy: 'OnRootMismatch' }),
    ...(podSecurityStandard === 'baseline' ? { seccompProfile: { type: 'RuntimeDefault' } } : {}),
    ...(runAsUser === undefined || runAsUser === 0 ? {} : lowPorts(app)),
  }
}

// Ports below 1024 without root: one of the sysctls that Kubernetes calls safe, and that every standard allows.
// https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/#safe-and-unsafe-sysctls
function lowPorts(app: WebApp): Pick<PodSecurityContext, 'sysctls'> {
  if (portsOf(app).every(({ containerPort }) => containerPort >= 1024)) return {}
  return { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] }
}

export function containerSecurity({ spec: { security } }: WebApp): SecurityContext {
  const { podSecurityStandard, readOnlyRootFilesystem } = security
  if (podSecurityStandard === 'restricted') {
    return { ...restrictedContainer, readOnlyRootFilesystem: readOnlyRootFilesystem ?? true }
  }
  return {
    ...(podSecurityStandard === 'baseline' ? { allowPrivilegeEscalation: false, privileged: false } : {}),
    readOnlyRootFilesystem: readOnlyRootFilesystem ?? false,
  }
}
