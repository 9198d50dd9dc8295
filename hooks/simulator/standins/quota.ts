// The resource quota controller (pkg/controller/resourcequota): what is limited, and what of it is in use.
import type { KubernetesObject } from '../../sdk/kubernetes.ts'
import { hardOf, usedOf } from '../quota.ts'
import { type Loop, startLoop, type World, writeStatus } from './loop.ts'

const quotaType = { apiVersion: 'v1', kind: 'ResourceQuota' }

export function startQuotas(world: World): Loop {
  const { store, client } = world
  const objectsIn = (namespace: string | undefined) =>
    store.resources
      .all()
      .filter(({ namespaced, kind }) => namespaced && kind !== 'Event')
      .flatMap(({ group, version, kind, plural }) => {
        const apiVersion = group === '' ? version : `${group}/${version}`
        return client.list({ apiVersion, kind }, namespace).map((object) => ({ object, plural }))
      })
  const affects = ({ kind, metadata: { namespace } }: KubernetesObject) =>
    namespace === undefined || kind === 'ResourceQuota' ? [] : client.list(quotaType, namespace)
  return startLoop(
    world,
    quotaType,
    [],
    (quota): undefined => {
      const { namespace } = quota.metadata
      writeStatus(client, quota, { hard: hardOf(quota), used: usedOf(quota, objectsIn(namespace)) })
    },
    affects,
  )
}
