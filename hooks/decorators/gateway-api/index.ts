// The Gateway API: an HTTPRoute for each WebApp that is exposed by a Gateway.
// https://gateway-api.sigs.k8s.io/reference/spec/#httproute
//
// Its weights are what status.traffic of the WebApp says, to the letter; what the Gateways have taken over is told back by
// an annotation, so that a canary's clock starts when requests are really divided.

import { webapp } from '../../kinds/webapp/index.ts'
import { labels, names } from '../../kinds/webapp/names.ts'
import { annotations as rolloutAnnotations } from '../../kinds/webapp/rollout/annotations.ts'
import type { WebApp } from '../../kinds/webapp/schema.ts'
import type { Notice } from '../../sdk/decorated.ts'
import { decorator, objectsOf } from '../../sdk/definition.ts'
import { heldChild } from '../../sdk/hold.ts'
import { HTTPRoute, type ParentReference } from './types.ts'

const routeWeightAnnotation = rolloutAnnotations.routeWeight

export const gatewayApi = decorator({
  name: 'gateway-api',
  description:
    'An HTTPRoute for each WebApp with exposure.gateway, whose weights follow status.traffic; the annotation platform.example.com/route-weight says which weight of the canary its Gateways have accepted.',
  resources: [objectsOf<WebApp>(webapp)],
  attachments: [HTTPRoute],
  sets: { annotations: [routeWeightAnnotation] },
  sync(app, { observed }) {
    const { exposure } = app.spec
    if (exposure?.gateway === undefined) return { attachments: [] }
    const live = observed.list(HTTPRoute)
    const accepted = app.metadata.annotations?.[routeWeightAnnotation]
    const annotations: Record<string, string> = accepted === undefined ? {} : { [routeWeightAnnotation]: accepted }
    const { traffic } = app.status ?? {}
    // Where requests go is not known yet: a moment after the WebApp was made.
    if (traffic === undefined || traffic.length === 0) return { attachments: live.map(heldChild), annotations }
    const routes = apart(exposure.gateway.parentRefs).map((parentRefs, index) => route(app, parentRefs, index))
    const states = routes.map((wanted) => stateOf(wanted, observed.get(HTTPRoute, wanted.metadata.name)))
    const settled = states.every((state) => state === 'accepted')
    return {
      attachments: routes,
      annotations: settled ? { [routeWeightAnnotation]: String(canaryWeight(app)) } : annotations,
      notice: states.find((state) => typeof state === 'object'),
    }
  },
})

/** What the canary gets by status.traffic, in percent. */
function canaryWeight(app: WebApp): number {
  const canary = names(app).trackService('canary')
  return app.status?.traffic?.find(({ service }) => service === canary)?.weight ?? 0
}

/**
 * Several listeners of one Gateway go into routes of their own: Metacontroller tells parentRefs by their name, and would
 * make one of them.
 */
function apart(parentRefs: readonly ParentRef[]): ParentRef[][] {
  const groups: ParentRef[][] = []
  for (const parentRef of parentRefs) {
    const free = groups.find((group) => group.every(({ name }) => name !== parentRef.name))
    if (free === undefined) groups.push([parentRef])
    else free.push(parentRef)
  }
  return groups
}

type ParentRef = NonNullable<NonNullable<WebApp['spec']['exposure']>['gateway']>['parentRefs'][number]

function route(app: WebApp, parentRefs: readonly ParentRef[], index: number): HTTPRoute {
  const { host, path = '/', pathType, annotations = {} } = app.spec.exposure ?? {}
  const { name } = app.metadata
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: {
      name: index === 0 ? name : `${name}-${index + 1}`,
      labels: labels(app),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    spec: {
      // The API's defaults are written out: it fills them in inside of lists, which are compared whole.
      parentRefs: parentRefs.map(({ name, namespace, sectionName }) => ({
        group: 'gateway.networking.k8s.io',
        kind: 'Gateway',
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(sectionName === undefined ? {} : { sectionName }),
      })),
      ...(host === undefined ? {} : { hostnames: [host] }),
      rules: [
        {
          matches: [{ path: { type: pathType === 'Exact' ? 'Exact' : 'PathPrefix', value: path } }],
          backendRefs: (app.status?.traffic ?? []).map(({ service, port, weight }) => ({
            group: '',
            kind: 'Service',
            name: service,
            port,
            weight,
          })),
        },
      ],
    },
  }
}

/** Whether every Gateway has taken over what is wanted, has refused it, or has not said yet. */
function stateOf(wanted: HTTPRoute, live: HTTPRoute | undefined): 'accepted' | 'pending' | Notice {
  if (live === undefined || weightsOf(live) !== weightsOf(wanted)) return 'pending'
  const { generation } = live.metadata
  const parents = wanted.spec.parentRefs.map((parentRef) =>
    live.status?.parents?.find((parent) => isSame(parent.parentRef, parentRef, wanted)),
  )
  for (const [index, parent] of parents.entries()) {
    for (const type of ['Accepted', 'ResolvedRefs']) {
      const condition = parent?.conditions?.find((one) => one.type === type)
      if (condition?.observedGeneration !== generation || condition === undefined) return 'pending'
      if (condition.status === 'True') continue
      const gateway = wanted.spec.parentRefs[index]?.name
      // Its message may hold what moves by itself.
      return {
        reason: 'RouteRefused',
        message: `Gateway ${gateway}: HTTPRoute ${wanted.metadata.name} is not ${type}: ${condition.reason}`,
      }
    }
  }
  return 'accepted'
}

// Of a route that somebody has changed, anything may be missing.
function weightsOf({ spec }: HTTPRoute): string {
  const rules = spec.rules.map(({ backendRefs = [] }) =>
    backendRefs.map(({ name, port, weight }) => [name, port, weight]),
  )
  return JSON.stringify(rules)
}

// A Gateway's controller may write out the namespace that is the route's own.
function isSame(said: ParentReference, wanted: ParentReference, { metadata }: HTTPRoute): boolean {
  const own = metadata.namespace
  return (
    said.name === wanted.name &&
    said.sectionName === wanted.sectionName &&
    (said.namespace ?? own) === (wanted.namespace ?? own ?? said.namespace)
  )
}
