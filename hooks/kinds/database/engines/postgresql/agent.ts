// Patroni and pgBackRest, as an init container brings them into the pods of the engine's own image.
import type { Container, Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import type { Settings } from '../../../../sdk/definition.ts'
import { postgresqlAgentImage } from '../../../../sdk/images.ts'
import { restrictedContainer } from '../../../../sdk/podsecurity.ts'
import { helperResources } from '../../resources.ts'
import { agentPath } from './member-scripts.ts'

export const agentVolume: Volume = { name: 'agent', emptyDir: { sizeLimit: '256Mi' } }
export const agentMount: VolumeMount = { name: 'agent', mountPath: agentPath }

export function bringAgent(settings: Settings): Container {
  return {
    name: 'agent',
    image: postgresqlAgentImage(settings),
    command: ['/bin/busybox', 'cp', '-R', '/agent/.', agentPath],
    resources: helperResources,
    securityContext: restrictedContainer,
    volumeMounts: [agentMount],
  }
}
