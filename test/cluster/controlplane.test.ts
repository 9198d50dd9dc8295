// A control plane comes up, plays pods and volumes as told, and leaves nothing behind, however its owner ends.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { behaviours } from './behaviour.ts'
import { ensureBinaries } from './build.ts'
import { isApiError } from './client.ts'
import { metacontrollerUser, startControlPlane } from './controlplane.ts'

await ensureBinaries()

t.test('it comes up, plays pods, and goes away', { timeout: 180_000 }, async (t) => {
  const plane = await startControlPlane()
  t.teardown(() => plane.stop())
  const { client } = plane
  const folder = plane.workplace.folder
  const namespace = 'plays'
  await client.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })

  await t.test('kubectl reaches it', async (t) => {
    const said = spawnSync(plane.kubectl, ['get', 'nodes', '--no-headers'], { encoding: 'utf8' })
    t.equal(said.stdout.trim().split('\n').length, 3, said.stderr)
  })

  await t.test('an error of the API server names the field', async (t) => {
    const refused = client.create({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'bad', namespace },
      spec: { ports: [{ port: 99999 }] },
    })
    const error = await refused.then(
      () => undefined,
      (error: unknown) => error,
    )
    t.ok(isApiError(error))
    if (!isApiError(error)) return
    t.equal(error.code, 422)
    t.equal(error.reason, 'Invalid')
    t.equal(error.causes[0]?.field, 'spec.ports[0].port')
    t.equal(await client.get({ apiVersion: 'v1', kind: 'Service', name: 'bad', namespace }), undefined)
  })

  await t.test(
    'a StatefulSet with claims becomes ready, grows its claim, and its volume goes with the claim',
    async (t) => {
      await client.create(statefulSet('db', namespace, 'standard'))
      await eventually(async () => {
        const set = await client.get({ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', namespace })
        return statusOf(set).readyReplicas === 2
      })
      const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name: 'data-db-0', namespace }
      t.equal(statusOf(await client.get(claim)).phase, 'Bound')
      await client.patch(claim, { spec: { resources: { requests: { storage: '2Gi' } } } })
      await eventually(async () => {
        const { capacity } = statusOf(await client.get(claim)) as { capacity?: { storage?: string } }
        return capacity?.storage === '2Gi'
      })
      await client.delete({ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', namespace })
      for (const index of [0, 1]) await client.delete({ ...claim, name: `data-db-${index}` })
      await eventually(async () => (await client.list({ apiVersion: 'v1', kind: 'PersistentVolume' })).length === 0)
    },
  )

  await t.test('a claim of a class that cannot grow is refused growth', async (t) => {
    await client.create(statefulSet('small', namespace, 'fixed'))
    const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name: 'data-small-0', namespace }
    await eventually(async () => statusOf(await client.get(claim)).phase === 'Bound')
    await t.rejects(client.patch(claim, { spec: { resources: { requests: { storage: '2Gi' } } } }), {
      name: 'ApiError',
      code: 403,
    })
  })

  await t.test('a Job completes, and fails when told to', async (t) => {
    const behave = behaviours(client)
    await behave({ kind: 'Job', namespace, name: 'bad-*' }, 'fail')
    await Promise.all([client.create(job('good', namespace)), client.create(job('bad-1', namespace))])
    const condition = async (name: string) => {
      const found = statusOf(await client.get({ apiVersion: 'batch/v1', kind: 'Job', name, namespace }))
      const conditions = (found.conditions ?? []) as { type: string; status: string }[]
      return conditions.filter(({ status }) => status === 'True').map(({ type }) => type)
    }
    await eventually(async () => (await condition('good')).includes('Complete'))
    await eventually(async () => (await condition('bad-1')).includes('Failed'))
    t.notOk((await condition('good')).includes('Failed'))
  })

  await t.test('pods of a Deployment behave as told, those that run included', async (t) => {
    const behave = behaviours(client)
    const web = { kind: 'Deployment', namespace, name: 'web' }
    const available = async () => {
      const found = await client.get({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', namespace })
      return Number(statusOf(found).readyReplicas ?? 0)
    }
    const pods = async () => await client.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace, labels: { app: 'web' } })
    await behave(web, 'stay-pending')
    await client.create(deployment('web', namespace))
    await eventually(async () => (await pods()).length === 2)
    await wait(1000)
    t.same(
      (await pods()).map((pod) => statusOf(pod).phase),
      ['Pending', 'Pending'],
    )
    await behave(web, 'run')
    await eventually(async () => (await available()) === 2)
    await behave(web, 'crash')
    await eventually(async () => (await available()) === 0)
    await behave(web, 'run')
    await eventually(async () => (await available()) === 2)
    await behave(web, 'never-ready')
    await eventually(async () => (await available()) === 0)
    t.same(
      (await pods()).map((pod) => statusOf(pod).phase),
      ['Running', 'Running'],
    )
  })

  await t.test('Metacontroller comes back by itself when it dies, and not when it is killed on purpose', async (t) => {
    const { metacontroller } = plane
    await client.create({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'metacontroller' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: metacontrollerUser }],
    })
    await metacontroller.start()
    const [first = 0] = metacontrollersOf(folder)
    process.kill(first, 'SIGKILL')
    await eventually(async () => metacontrollersOf(folder).some((pid) => pid !== first))
    t.ok(metacontroller.running())
    await metacontroller.kill()
    t.notOk(metacontroller.running())
    await wait(1500)
    t.same(metacontrollersOf(folder), [])
  })

  await t.test('every component is measured', async (t) => {
    const usage = plane.usage()
    for (const name of ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kwok']) {
      t.ok((usage[name]?.cpuSeconds ?? 0) > 0, `${name} used CPU`)
      t.ok((usage[name]?.peakMiB ?? 0) > 10, `${name} used memory`)
    }
  })

  t.ok(processesOf(folder).length >= 5, 'its processes are seen while it runs')
  await plane.stop()
  t.same(processesOf(folder), [], 'no process is left')
  t.notOk(existsSync(folder), 'no folder is left')
})

t.test('nothing is left when its owner is killed, interrupted or fails', { timeout: 180_000 }, async (t) => {
  const endings = {
    SIGKILL: '',
    SIGINT: '',
    error: 'setTimeout(() => { throw new Error("on purpose") }, 100)',
  }
  for (const [ending, then] of Object.entries(endings)) {
    const module = new URL('controlplane.ts', import.meta.url).href
    const code = `
      const { startControlPlane } = await import(${JSON.stringify(module)})
      console.log((await startControlPlane()).kubeconfig)
      process.stdin.resume().on('end', () => process.exit())
      ${then}`
    const owner = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'ignore'] })
    const [kubeconfig] = (await once(createInterface(owner.stdout), 'line')) as [string]
    const folder = dirname(kubeconfig)
    t.ok(processesOf(folder).length >= 5, `${ending}: it ran`)
    const gone = once(owner, 'exit')
    if (ending !== 'error') owner.kill(ending as NodeJS.Signals)
    await gone
    await eventually(async () => processesOf(folder).length === 0 && !existsSync(folder))
    t.pass(`${ending}: nothing is left`)
  }
})

t.test('a component that cannot start says why', { timeout: 60_000 }, async (t) => {
  await t.rejects(startControlPlane({ apiserverFlags: ['--no-such-flag'] }), {
    message: /unknown flag: --no-such-flag/,
  })
})

/** Command lines of the processes that mention a folder. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      } catch {
        return []
      }
    })
    .filter((line) => line.includes(folder))
}

/** Process ids of the Metacontrollers whose kubeconfig lies in a folder: it is in their environment, not in their arguments. */
function metacontrollersOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
        return (
          environment.includes(`KUBECONFIG=${folder}`) && readlinkSync(`/proc/${pid}/exe`).endsWith('metacontroller')
        )
      } catch {
        return false
      }
    })
    .map(Number)
}

async function eventually(probe: () => Promise<boolean>, seconds = 30): Promise<void> {
  for (const started = Date.now(); Date.now() - started < seconds * 1000; await wait(100)) {
    if (await probe()) return
  }
  throw new Error(`not within ${seconds} s: ${probe}`)
}

function statusOf(object: KubernetesObject | undefined): Record<string, unknown> {
  return (object?.status ?? {}) as Record<string, unknown>
}

const containers = [{ name: 'main', image: 'example.com/image:1' }]

function statefulSet(name: string, namespace: string, storageClassName: string): KubernetesObject {
  const labels = { app: name }
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name, namespace },
    spec: {
      replicas: 2,
      serviceName: name,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ ...containers[0], volumeMounts: [{ name: 'data', mountPath: '/data' }] }] },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], storageClassName, resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  }
}

function deployment(name: string, namespace: string): KubernetesObject {
  const labels = { app: name }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  }
}

function job(name: string, namespace: string): KubernetesObject {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace },
    spec: { backoffLimit: 0, template: { spec: { containers, restartPolicy: 'Never' } } },
  }
}
