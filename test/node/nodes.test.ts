// Two nodes whose pods really run: network between them, names, Services, volumes, metrics; and nothing left behind.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { ownImages } from './images.ts'
import { startNodes } from './nodes.ts'
import { obstacleToOwnNodes } from './requirements.ts'
import { output } from './shell.ts'

const reason = obstacleToOwnNodes()
if (reason !== undefined) {
  t.test('real nodes', { skip: reason }, async () => {})
} else {
  const cluster = await startNodes({ nodes: 2, metrics: true })
  t.teardown(() => cluster.stop())
  const { client, kubectl } = cluster.controlPlane
  const run = (...args: string[]) => output([kubectl, ...args])
  const namespace = 'nodes-test'
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  await client.create(webServer('one', 'node-0'))
  await client.create(webServer('two', 'node-1'))
  for (const name of ['one', 'two']) await client.create(service(name))
  await run('wait', '--for=condition=Ready', 'pod/one', 'pod/two', `--namespace=${namespace}`, '--timeout=90s')
  const inside = (pod: string, ...command: string[]) =>
    run('exec', `--namespace=${namespace}`, pod, '--container=client', '--', ...command)
  // Bash asks the system's own resolver; the one in a static busybox cannot be loaded.
  const fetched = (from: string, to: string) =>
    inside(
      from,
      'timeout',
      '10',
      'bash',
      '-c',
      `exec 3<>/dev/tcp/${to}/8080 && printf 'GET /name HTTP/1.0\\r\\n\\r\\n' >&3 && tail -n 1 <&3`,
    )

  t.test('pods reach one another by name, on the same node and across', async (t) => {
    for (const from of ['one', 'two']) {
      for (const to of ['one', 'two']) {
        t.equal(await fetched(from, to), to, `from ${from} to ${to}`)
      }
    }
  })

  t.test('pods reach the API server by its Service, with their own certificate authority', async (t) => {
    const account = '/var/run/secrets/kubernetes.io/serviceaccount'
    t.match(await inside('one', 'cat', `${account}/ca.crt`), /BEGIN CERTIFICATE/)
    const hello = 'exec 3<>/dev/tcp/kubernetes.default.svc.cluster.local/443 && echo connected'
    t.equal(await inside('one', 'timeout', '10', 'bash', '-c', hello), 'connected\n')
  })

  t.test('logs come through the kubelet', async (t) => {
    t.match(await run('logs', `--namespace=${namespace}`, 'two', '--container=main'), /two serves/)
  })

  t.test('a volume outlives the pod that wrote to it', async (t) => {
    await client.create({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'kept', namespace },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Mi' } } },
    })
    await client.create(withVolume('writer', 'echo kept >/data/file'))
    await run('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/writer', `-n${namespace}`, '--timeout=90s')
    await client.delete({ apiVersion: 'v1', kind: 'Pod', namespace, name: 'writer' })
    await client.create(withVolume('reader', 'cat /data/file'))
    await run('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/reader', `-n${namespace}`, '--timeout=90s')
    t.equal(await run('logs', `-n${namespace}`, 'reader'), 'kept\n')
  })

  t.test('a memory limit is kept', async (t) => {
    const hungry = pod('hungry', ['sh', '-c', 'tail /dev/zero'])
    await client.create(withLimit(hungry, '32Mi'))
    await run('wait', '--for=jsonpath={.status.phase}=Failed', 'pod/hungry', `-n${namespace}`, '--timeout=90s')
    const state = '{.status.containerStatuses[0].state.terminated.reason}'
    t.equal(await run('get', 'pod', 'hungry', `-n${namespace}`, `-ojsonpath=${state}`), 'OOMKilled')
  })

  t.test('metrics of nodes and pods are served', async (t) => {
    const deadline = Date.now() + 90_000
    let pods = ''
    while (Date.now() < deadline && !/^one .*\d+m .*\d+Mi/m.test(pods)) {
      pods = await run('top', 'pods', `-n${namespace}`).catch((error: Error) => error.message)
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
    t.match(pods, /^one .*\d+m .*\d+Mi/m)
    t.match(await run('top', 'nodes'), /^node-1 /m)
  })

  t.test('a kubelet that is gone makes its node NotReady, and pods on it go on; it comes back', async (t) => {
    const [, second] = cluster.nodes
    if (second === undefined) throw new Error('there is no second node')
    await second.kubelet.kill()
    t.equal(await fetched('one', 'two'), 'two')
    await run('wait', '--for=condition=Ready=Unknown', 'node/node-1', '--timeout=120s')
    await second.startKubelet()
    await run('wait', '--for=condition=Ready', 'node/node-1', '--timeout=60s')
  })

  t.test('the end leaves nothing: no process, mount, cable, control group or folder', async (t) => {
    const { folder } = cluster
    const cable = await cableOf(new URL(cluster.controlPlane.server).hostname)
    t.ok(processesOf(process.pid).length > 20, 'there are many processes before')
    t.ok((await groupsOf(process.pid)).length > 10, 'and many control groups')
    await cluster.stop()
    t.same(processesOf(process.pid), [])
    t.same(await groupsOf(process.pid), [])
    t.notOk(existsSync(folder), 'the folder is gone')
    t.notMatch(readFileSync('/proc/mounts', 'utf8'), folder)
    t.notMatch(await output(['ip', '-o', 'link']), `${cable}@`)
    t.notMatch(await output(['ip', 'route']), cable)
  })

  function pod(name: string, command: string[], node?: string): KubernetesObject {
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels: { app: name } },
      spec: {
        ...(node === undefined ? {} : { nodeName: node }),
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'main', image: ownImages.tools, command }],
      },
    }
  }

  function webServer(name: string, node: string): KubernetesObject {
    const script = `mkdir /www && printf ${name} >/www/name && echo ${name} serves && exec httpd -f -p 8080 -h /www`
    const server = pod(name, ['sh', '-c', script], node)
    const spec = server.spec as { containers: object[] }
    const client = { name: 'client', image: `postgres:${cluster.versions.postgresql}`, command: ['sleep', 'infinity'] }
    return { ...server, spec: { ...spec, containers: [...spec.containers, client] } }
  }

  function service(name: string): KubernetesObject {
    return {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { selector: { app: name }, ports: [{ port: 8080 }] },
    }
  }

  function withVolume(name: string, script: string): KubernetesObject {
    const bare = pod(name, ['sh', '-c', script])
    const spec = bare.spec as { containers: object[] }
    return {
      ...bare,
      spec: {
        ...spec,
        containers: spec.containers.map((container) => ({
          ...container,
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        })),
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'kept' } }],
      },
    }
  }

  function withLimit(bare: KubernetesObject, memory: string): KubernetesObject {
    const spec = bare.spec as { containers: object[] }
    const containers = spec.containers.map((container) => ({ ...container, resources: { limits: { memory } } }))
    return { ...bare, spec: { ...spec, containers } }
  }
}

/** The machine's end of the cable, by its address. */
async function cableOf(address: string): Promise<string> {
  const line = (await output(['ip', '-o', 'address'])).split('\n').find((text) => text.includes(` ${address}/`))
  const name = line?.split(/\s+/)[1]
  if (name === undefined) throw new Error(`no network device has ${address}`)
  return name
}

/** Processes in the control groups of this process' nodes, containers included. */
function processesOf(pid: number): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cgroup`, 'utf8').includes(`operator-hooks-${pid}-`)
    } catch {
      // It ended in between.
      return false
    }
  })
}

async function groupsOf(pid: number): Promise<string[]> {
  const found = await output(['sh', '-c', `find /sys/fs/cgroup -path '*/operator-hooks-${pid}-*' 2>/dev/null || true`])
  return found.split('\n').filter((line) => line !== '')
}
