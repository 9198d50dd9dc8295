import t from 'tap'
import { certManager } from '../../hooks/decorators/cert-manager/index.ts'
import { externalSecrets } from '../../hooks/decorators/external-secrets/index.ts'
import { gatewayApi } from '../../hooks/decorators/gateway-api/index.ts'
import { istio } from '../../hooks/decorators/istio/index.ts'
import { keda } from '../../hooks/decorators/keda/index.ts'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { applied, ask, database, found, webApp } from './ask.ts'

const host = 'web.example.com'
const weight = 'platform.example.com/route-weight'
const traffic = [
  { service: 'web-stable', port: 80, weight: 90, revision: 'a' },
  { service: 'web-canary', port: 10080, weight: 10, revision: 'b' },
]
const exposed = (parentRefs: object[] = [{ name: 'public', namespace: 'infra' }], further: object = {}) => ({
  exposure: { host, gateway: { parentRefs }, ...further },
})

/** What a Gateway's controller says of a route. */
function said(route: KubernetesObject, ...parents: [object, Record<string, string>, number?][]): KubernetesObject {
  const status = {
    parents: parents.map(([parentRef, states, observedGeneration = 1]) => ({
      parentRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', ...parentRef },
      conditions: Object.entries(states).map(([type, status]) => ({
        type,
        status,
        reason: `${type}Reason`,
        observedGeneration,
      })),
    })),
  }
  return { ...applied(route), status }
}
const good = { Accepted: 'True', ResolvedRefs: 'True' }
const infra = { name: 'public', namespace: 'infra' }

t.test('an HTTPRoute divides requests as status.traffic says, to the letter', async (t) => {
  const { response } = ask(gatewayApi, webApp(exposed(), {}, { traffic }))
  t.match(found(response, 'HTTPRoute', 'web').spec, {
    hostnames: [host],
    parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', ...infra }],
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/' } }],
        backendRefs: [
          { group: '', kind: 'Service', name: 'web-stable', port: 80, weight: 90 },
          { group: '', kind: 'Service', name: 'web-canary', port: 10080, weight: 10 },
        ],
      },
    ],
  })
  const exact = ask(gatewayApi, webApp(exposed(undefined, { path: '/shop', pathType: 'Exact' }), {}, { traffic }))
  t.match(JSON.stringify(found(exact.response, 'HTTPRoute', 'web').spec), '{"type":"Exact","value":"/shop"}')
})

t.test('before anything is known of the traffic, what there is stays', async (t) => {
  t.same(ask(gatewayApi, webApp(exposed())).response.attachments, [])
  const [route] = ask(gatewayApi, webApp(exposed(), {}, { traffic })).response.attachments
  if (route === undefined) throw new Error('no route')
  const { response } = ask(gatewayApi, webApp(exposed()), { attachments: [applied(route)] })
  t.same(response.attachments, [route])
})

t.test('two listeners of one Gateway get routes of their own', async (t) => {
  const parentRefs = [{ name: 'a', sectionName: 'http' }, { name: 'a', sectionName: 'https' }, { name: 'b' }]
  const { response } = ask(gatewayApi, webApp(exposed(parentRefs), {}, { traffic }))
  t.match(found(response, 'HTTPRoute', 'web').spec, { parentRefs: [{ name: 'a', sectionName: 'http' }, { name: 'b' }] })
  t.match(found(response, 'HTTPRoute', 'web-2').spec, { parentRefs: [{ name: 'a', sectionName: 'https' }] })
})

t.test('the weight is told when every Gateway has taken it over at its generation, and not before', async (t) => {
  const app = webApp(exposed(), { annotations: { [weight]: '0' } }, { traffic })
  const [route] = ask(gatewayApi, app).response.attachments
  if (route === undefined) throw new Error('no route')
  const told = (live: KubernetesObject) => ask(gatewayApi, app, { attachments: [live] }).response.annotations?.[weight]
  t.equal(told(said(route, [infra, good])), '10')
  t.equal(told(applied(route)), '0', 'not yet said')
  t.equal(told(said(route, [infra, good, 0])), '0', 'said of another generation')
  t.equal(told(said(route, [infra, { Accepted: 'True' }])), '0', 'nothing of its backends')
  t.equal(told(said(route, [{ ...infra, name: 'other' }, good])), '0', 'another Gateway')
  const older = JSON.parse(JSON.stringify(route).replace('"weight":10', '"weight":5')) as KubernetesObject
  t.equal(told(said(older, [infra, good])), '0', 'the route has other weights')
  const changed = { ...applied(route), spec: { rules: [{ matches: [] }] } }
  t.equal(told(changed), '0', 'somebody has changed it')
  const refused = ask(gatewayApi, app, {
    attachments: [said(route, [infra, { Accepted: 'True', ResolvedRefs: 'False' }])],
  })
  t.match(refused.response.annotations, {
    [weight]: '0',
    'decorators.example.com/gateway-api':
      'RouteRefused: Gateway public: HTTPRoute web is not ResolvedRefs: ResolvedRefsReason',
  })
})

t.test('without a Gateway there is neither route nor annotation', async (t) => {
  const { response } = ask(gatewayApi, webApp({ exposure: { host } }, { annotations: { [weight]: '10' } }, { traffic }))
  t.same(response, { annotations: { [weight]: null }, attachments: [] })
})

t.test('certificates are asked for where an issuer is named', async (t) => {
  const tls = { issuerRef: { name: 'public', kind: 'ClusterIssuer' } }
  t.match(found(ask(certManager, webApp({ exposure: { host, tls } })).response, 'Certificate', 'web-tls').spec, {
    secretName: 'web-tls',
    dnsNames: [host],
    issuerRef: { name: 'public', kind: 'ClusterIssuer', group: 'cert-manager.io' },
    usages: ['digital signature', 'key encipherment', 'server auth'],
  })
  const own = webApp({ exposure: { host, tls: { ...tls, secretName: 'mine' } } })
  t.match(found(ask(certManager, own).response, 'Certificate', 'mine').spec, { secretName: 'mine' })
  t.same(ask(certManager, webApp({ exposure: { host, tls: {} } })).response.attachments, [])

  const db = (engine: string, version: string) => {
    const issued = database({ engine, version, tls: { secretName: 'cert', issuerRef: { name: 'internal' } } })
    return found(ask(certManager, issued).response, 'Certificate', 'cert').spec as {
      dnsNames: string[]
      usages: string[]
    }
  }
  const { dnsNames, usages } = db('postgresql', '17.2')
  for (const name of [
    'orders',
    'orders.shop',
    'orders.shop.svc',
    'orders-readonly.shop.svc',
    '*.orders-headless.shop.svc',
  ]) {
    t.ok(dnsNames.includes(name), name)
  }
  t.notOk(usages.includes('client auth'))
  t.ok(db('mongodb', '8.0.4').usages.includes('client auth'), 'its members are clients of each other')
  t.same(ask(certManager, database({ tls: { secretName: 'cert' } })).response.attachments, [])
})

t.test('credentials from a store go into the Secret that the Database names', async (t) => {
  const credentials = {
    secretName: 'login',
    external: {
      secretStoreRef: { name: 'vault', kind: 'ClusterSecretStore' },
      key: 'db/orders',
      passwordProperty: 'pw',
    },
  }
  t.match(found(ask(externalSecrets, database({ credentials })).response, 'ExternalSecret', 'login').spec, {
    refreshInterval: '1h',
    secretStoreRef: { name: 'vault', kind: 'ClusterSecretStore' },
    target: { name: 'login', creationPolicy: 'Orphan' },
    data: [
      { secretKey: 'username', remoteRef: { key: 'db/orders', property: 'username' } },
      { secretKey: 'password', remoteRef: { key: 'db/orders', property: 'pw' } },
    ],
  })
  t.same(ask(externalSecrets, database({ credentials: { secretName: 'login' } })).response.attachments, [])
  const nameless = ask(externalSecrets, database({ credentials: { external: credentials.external } }))
  t.match(nameless.hold, {
    reason: 'InvalidSpec',
    message: /spec\.credentials\.secretName: .* need the name of the Secret/,
  })
})

const triggers = [{ type: 'kafka', metadata: { topic: 'orders', lagThreshold: '5' } }]
const scaled = (further: object = {}) => ({
  autoscaling: { enabled: true, minReplicas: 2, maxReplicas: 20, triggers, ...further },
})
const autoscaler = (owner: string): KubernetesObject => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: {
    name: 'web',
    namespace: 'shop',
    uid: 'h',
    ownerReferences: [{ apiVersion: 'x/v1', kind: 'X', name: 'x', uid: owner, controller: true }],
  },
})

t.test('KEDA gets triggers, with the utilization among them', async (t) => {
  const behavior = { scaleDown: { stabilizationWindowSeconds: 60 } }
  const { response } = ask(keda, webApp(scaled({ targetCPUUtilization: 70, behavior })))
  t.match(found(response, 'ScaledObject', 'web').spec, {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    minReplicaCount: 2,
    maxReplicaCount: 20,
    advanced: { horizontalPodAutoscalerConfig: { behavior } },
    triggers: [...triggers, { type: 'cpu', metricType: 'Utilization', metadata: { value: '70' } }],
  })
  t.same(ask(keda, webApp(scaled({ triggers: [] }))).response.attachments, [])
  t.same(ask(keda, webApp(scaled({ enabled: false }))).response.attachments, [])
  t.same(ask(keda, webApp({ ...scaled(), suspend: true })).response.attachments, [], 'nothing is to run')
})

t.test('there is no ScaledObject as long as an autoscaler is there', async (t) => {
  const own = ask(keda, webApp(scaled()), { related: [autoscaler('app')] })
  t.same(own.response, { attachments: [] }, 'its own is about to go')
  const foreign = ask(keda, webApp(scaled()), { related: [autoscaler('somebody')] })
  t.match(
    foreign.response.annotations?.['decorators.example.com/keda'],
    /^AutoscalerInTheWay: HorizontalPodAutoscaler web/,
  )
})

const strict = (further: object = {}) => ({ security: { mtls: true, networkPolicy: 'strict', ...further } })

t.test('in a mesh plain text is refused, and clients are told', async (t) => {
  const { response } = ask(istio, webApp({ security: { mtls: true } }))
  t.same(
    response.attachments.map(({ kind, metadata }) => `${kind}/${metadata.name}`),
    ['PeerAuthentication/web', 'DestinationRule/web'],
  )
  t.match(found(response, 'DestinationRule', 'web').spec, { host: 'web.shop.svc.cluster.local' })
  const canary = ask(istio, webApp({ security: { mtls: true }, rollout: { strategy: 'canary' } }), {
    parameters: { 'mesh.example.com/cluster-domain': 'corp.local' },
  })
  t.match(found(canary.response, 'DestinationRule', 'web-canary').spec, { host: 'web-canary.shop.svc.corp.local' })
  t.same(ask(istio, webApp({ security: { networkPolicy: 'strict' } })).response.attachments, [], 'identities need mTLS')
})

t.test('who may connect follows the NetworkPolicy', async (t) => {
  const ingressPeers = [
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'orders' } },
      podSelector: { matchLabels: { app: 'x' } },
    },
    { podSelector: { matchLabels: { app: 'x' } } },
    { namespaceSelector: { matchLabels: { team: 'a' } } },
    { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
  ]
  const app = webApp({
    ...strict({ ingressPeers, ingressNamespaces: ['edge'], monitoringNamespaces: ['mon'] }),
    monitoring: { enabled: true },
  })
  const { rules } = found(ask(istio, app).response, 'AuthorizationPolicy', 'web').spec as { rules: object[] }
  t.same(rules, [
    {
      from: [
        { source: { namespaces: ['edge'] } },
        { source: { namespaces: ['orders'] } },
        { source: { namespaces: ['shop'] } },
        { source: { namespaces: ['*'] } },
        { source: { ipBlocks: ['10.0.0.0/8'], notIpBlocks: ['10.1.0.0/16'] } },
      ],
      to: [{ operation: { ports: ['80'] } }],
    },
    { from: [{ source: { namespaces: ['mon'] } }], to: [{ operation: { ports: ['80'] } }] },
  ])
})
