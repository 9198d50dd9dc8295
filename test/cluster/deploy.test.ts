// deploy/ on a real API server: every variant renders, every object is taken, pods are admitted under the restricted pod
// security standard, rights are as narrow as they say, and the uninstall script leaves nothing behind.
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { ensureBinaries } from './build.ts'
import { isApiError } from './client.ts'
import { createControlPlaneCluster } from './cluster.ts'
import { metacontrollerUser } from './controlplane.ts'
import { documents } from './manifests.ts'

const root = join(import.meta.dirname, '..', '..')
const kustomize = join(root, 'deploy', 'kustomize')
await ensureBinaries()

t.test('deploy/ works', { timeout: 300_000 }, async (t) => {
  const cluster = await createControlPlaneCluster({
    hook: {
      command: process.execPath,
      args: [
        join(root, 'hooks', 'main.ts'),
        'serve',
        '--auth=none',
        '--ephemeral-credential-keys',
        '--drain-seconds=0',
      ],
    },
    manifests: [join(root, 'crds'), join(root, 'metacontroller'), join(root, 'deploy', 'generated', 'rbac')],
    faults: false,
  })
  t.teardown(() => cluster.stop())
  const { client, kubectl } = cluster.controlPlane
  const knowsEndpoints = JSON.stringify(
    await client.get({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      name: 'compositecontrollers.metacontroller.k8s.io',
    }),
  ).includes('"endpointConfigs"')

  const render = (folder: string): KubernetesObject[] => {
    const { stdout, stderr, status } = spawnSync(kubectl, ['kustomize', folder], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${folder}: ${stderr}`)
    return parseAllDocuments(stdout).map((document) => document.toJS() as KubernetesObject)
  }
  // kubectl apply --server-side, with that query.
  const apply = async (object: KubernetesObject, query: string) => {
    const { apiVersion, kind, metadata } = object
    const { namespace, name = '' } = metadata
    const path = await client.path({ apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) })
    await client.request(
      'PATCH',
      `${path}?fieldManager=deploy&force=true&${query}`,
      object,
      'application/apply-patch+yaml',
    )
  }
  // As an administrator's own, in a folder of its own.
  const folder = t.testdir()
  const overlay = (resource: string, ...components: string[]): KubernetesObject[] => {
    const kustomization = {
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      resources: [relative(folder, join(kustomize, resource))],
      components: components.map((name) => relative(folder, join(kustomize, 'components', name))),
      images: [{ name: 'operator-hooks', newName: 'registry.example.com/operator-hooks', newTag: '0.1.0' }],
    }
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
    return render(folder)
  }

  await client.apply(find(render(join(kustomize, 'base')), 'Namespace'))

  await t.test('every variant renders, and the API server takes every object', async (t) => {
    const variants: Record<string, KubernetesObject[]> = {
      default: overlay('default'),
      'default with events': overlay('default', 'events'),
      tls: overlay('tls'),
      'tls with admission and quotas': overlay('tls', 'admission', 'quotas', 'events'),
      open: overlay('open'),
    }
    for (const [name, objects] of Object.entries(variants)) {
      t.match(
        JSON.stringify(find(objects, 'Deployment')),
        'registry.example.com/operator-hooks:0.1.0',
        `${name}: image`,
      )
      t.ok(
        objects.some(({ kind }) => kind === 'CustomResourceDefinition'),
        `${name}: CRDs`,
      )
      for (const object of objects) {
        const title = `${name}: ${object.kind} ${object.metadata.name}`
        if (!isController(object) || knowsEndpoints) {
          await t.resolves(apply(object, 'dryRun=All&fieldValidation=Strict'), title)
        } else {
          // What this Metacontroller's CRDs do not know they prune, but not for server-side apply.
          const another = { ...object, metadata: { ...object.metadata, name: 'another' } }
          await t.resolves(client.create(another, '?dryRun=All&fieldValidation=Ignore'), title)
        }
      }
    }
    const monitored = overlay('default', 'monitoring', 'certificate')
    t.ok(find(monitored, 'ServiceMonitor'))
    t.equal(monitored.filter(({ kind }) => kind === 'Certificate').length, 2)

    const admitting = overlay('tls', 'certificate', 'admission', 'quotas', 'events')
    const authority = { annotations: { 'cert-manager.io/inject-ca-from': 'operator-hooks/operator-hooks' } }
    t.match(find(admitting, 'ValidatingWebhookConfiguration').metadata, authority)
    t.match(find(admitting, 'CustomResourceDefinition').metadata, authority)
    t.match(find(admitting, 'NetworkPolicy').spec, {
      ingress: [{ from: [{}] }, { from: [{}] }, { ports: [{ port: 'hooks' }], from: undefined }],
      egress: [{ ports: [{ port: 443 }, { port: 6443 }] }],
    })
  })

  await t.test('controllers show a token, and over TLS know the authority', async (t) => {
    const endpoint = (objects: KubernetesObject[]) => objects.filter(isController).map(({ spec }) => spec)
    for (const spec of endpoint(overlay('default'))) {
      t.match(spec, {
        endpointConfigs: [{ host: 'operator-hooks.operator-hooks', authorization: { type: 'Bearer' } }],
        hooks: { sync: { webhook: { service: { name: 'operator-hooks', namespace: 'operator-hooks' } } } },
      })
    }
    for (const spec of endpoint(overlay('tls'))) {
      t.match(spec, {
        endpointConfigs: [{ caBundle: { secretRef: { key: 'ca.crt' } }, authorization: { type: 'Bearer' } }],
        hooks: { sync: { webhook: { service: { port: 443, protocol: 'https' } } } },
      })
    }
    t.match(find(overlay('tls'), 'Service').spec, { ports: [{ name: 'hooks', port: 443 }] })
    t.equal(endpoint(overlay('default')).length, endpoint(overlay('tls')).length)
  })

  await t.test('Metacontroller gets its flags and loses its right to everything', async (t) => {
    // What its own manifests/production holds, as far as it is patched.
    const own = [
      {
        apiVersion: 'apps/v1',
        kind: 'StatefulSet',
        metadata: { name: 'metacontroller', namespace: 'metacontroller' },
        spec: {
          template: {
            spec: { containers: [{ name: 'metacontroller', image: 'x', args: ['--discovery-interval=20s'] }] },
          },
        },
      },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata: { name: 'metacontroller' },
        rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
      },
    ]
    const folder = t.testdir({ 'metacontroller.yaml': own.map((object) => JSON.stringify(object)).join('\n---\n') })
    const component = relative(folder, join(kustomize, 'components', 'metacontroller'))
    const kustomization = { resources: ['metacontroller.yaml'], components: [component] }
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
    const objects = render(folder)
    t.match(JSON.stringify(find(objects, 'StatefulSet')), '"--client-go-qps=300"')
    t.notMatch(JSON.stringify(find(objects, 'StatefulSet')), '--discovery-interval=20s', 'no flag is there twice')
    t.notMatch(JSON.stringify(find(objects, 'ClusterRole')), '"*"')
  })

  await t.test('the service runs under the restricted standard, on several nodes', async (t) => {
    const namespace = 'operator-hooks'
    const secret = (name: string, data: Record<string, string>) =>
      client.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData: data })
    await secret('operator-hooks-keys', { keys: `test:${randomBytes(32).toString('base64')}` })
    await secret('operator-hooks-tokens', { token: 'a-token-for-tests', tokens: 'a-token-for-tests' })
    const applied = overlay('default', 'events').filter((object) => !isController(object))
    for (const object of applied) await apply(object, 'fieldValidation=Strict')
    const reference = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: 'operator-hooks' }
    await cluster.until('both copies are available', async () => {
      const status = (await client.get(reference))?.status
      return isRecord(status) && status.availableReplicas === 2
    })
    const pods = await client.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace })
    const nodes = pods.map(({ spec }) => (isRecord(spec) ? spec.nodeName : undefined))
    t.equal(new Set(nodes).size, 2, 'on two nodes')

    const loose = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'loose', namespace } }
    const refused = await client.create({ ...loose, spec: { containers: [{ name: 'a', image: 'a' }] } }).catch((e) => e)
    t.ok(isApiError(refused) && refused.code === 403, 'the standard is enforced there')
  })

  await t.test('who may do what', async (t) => {
    const can = (user: string, verb: string, ...what: string[]) =>
      spawnSync(kubectl, ['auth', 'can-i', verb, ...what, `--as=${user}`], { encoding: 'utf8' }).stdout.trim()
    const service = 'system:serviceaccount:operator-hooks:operator-hooks'
    const events = 'system:serviceaccount:operator-hooks:operator-hooks-events'
    t.match(
      spawnSync(kubectl, ['auth', 'can-i', '--list', `--as=${service}`], { encoding: 'utf8' }).stdout,
      /selfsubject/,
    )
    for (const what of ['pods', 'secrets', 'databases.example.com', 'events.events.k8s.io']) {
      t.equal(can(service, 'get', what, '-A'), 'no', `the service may not get ${what}`)
      t.equal(can(service, 'create', what, '-A'), 'no', `nor create ${what}`)
    }
    t.equal(can(events, 'create', 'events.events.k8s.io', '-A'), 'yes')
    t.equal(can(events, 'get', 'secrets', '-A'), 'no')
    t.equal(can(metacontrollerUser, 'update', 'databases.example.com', '-A'), 'yes')
    t.equal(can(metacontrollerUser, 'create', 'statefulsets.apps', '-A'), 'yes')
    t.equal(can(metacontrollerUser, 'create', 'databases.example.com', '-A'), 'no')
    t.equal(can(metacontrollerUser, 'delete', 'namespaces', '-A'), 'no')
    t.equal(can(metacontrollerUser, 'create', 'clusterroles.rbac.authorization.k8s.io', '-A'), 'no')
  })

  await t.test('the uninstall script leaves nothing behind', { timeout: 120_000 }, async (t) => {
    const namespace = await cluster.namespace('uninstall')
    const [sample] = documents(join(root, 'hooks', 'kinds', 'database', 'samples', 'postgresql.yaml'))
    if (sample === undefined) throw new Error('no sample')
    await cluster.apply({ ...sample, metadata: { ...sample.metadata, namespace } })
    const name = sample.metadata.name ?? ''
    const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', namespace, name }
    await cluster.until('the database has its StatefulSet', () => client.get(set))

    const uninstall = async (...args: string[]) => {
      const script = spawn('sh', [join(root, 'scripts', 'uninstall.sh'), ...args], {
        env: { ...process.env, KUBECTL: kubectl },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let said = ''
      script.stdout.on('data', (text) => {
        said += text
      })
      script.stderr.on('data', (text) => {
        said += text
      })
      const [code] = await once(script, 'exit')
      return { code, said }
    }
    const shown = await uninstall()
    t.equal(shown.code, 0, shown.said)
    t.match(shown.said, `databases.example.com ${namespace}/${name}`)
    t.ok(await client.get(set), 'without --yes nothing goes')

    const done = await uninstall('--yes', '--timeout', '90')
    t.equal(done.code, 0, done.said)
    await cluster.until('its StatefulSet is gone', async () => (await client.get(set)) === undefined)
    const left = (type: { apiVersion: string; kind: string }) => client.list(type, { labels: suite })
    t.same(await left({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' }), [], 'no CRD')
    t.same(
      await left({ apiVersion: 'metacontroller.k8s.io/v1alpha1', kind: 'CompositeController' }),
      [],
      'no controller',
    )
    const roles = await left({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole' })
    t.same(
      roles.map(({ metadata }) => metadata.name),
      ['metacontroller'],
      "only Metacontroller's own role",
    )
    await cluster.until('the namespace is gone', async () => {
      return (await client.get({ apiVersion: 'v1', kind: 'Namespace', name: 'operator-hooks' })) === undefined
    })
    t.ok(cluster.metacontroller.running(), 'Metacontroller stays')
  })
})

const suite = { 'app.kubernetes.io/part-of': 'operator-hooks' }

function isController({ kind }: KubernetesObject): boolean {
  return kind === 'CompositeController' || kind === 'DecoratorController'
}

function find(objects: readonly KubernetesObject[], kind: string): KubernetesObject {
  const found = objects.find((object) => object.kind === kind)
  if (found === undefined) throw new Error(`no ${kind} is rendered`)
  return found
}
