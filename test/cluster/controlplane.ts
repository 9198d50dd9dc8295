// A whole Kubernetes control plane in a temporary folder on free loopback ports: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, kwok in the place of nodes, and Metacontroller beside it.
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { type Binaries, ensureBinaries } from './build.ts'
import { type Client, connect } from './client.ts'
import { documents, untilKindServed } from './manifests.ts'
import { type CountingProxy, startProxy } from './proxy.ts'
import { type Component, openWorkplace, type Usage, type Workplace } from './workplace.ts'

export interface ControlPlaneOptions {
  /**
   * How many nodes kwok plays, spread over the zones zone-a, zone-b and zone-c; default 3. With 0 there is no kwok, and
   * no StorageClass of its volumes either: nodes and storage are the caller's.
   */
  readonly nodes?: number
  /** Address of this machine that the API server listens on and is known by; default 127.0.0.1. */
  readonly address?: string
  /** Further users, by the names under which their kubeconfigs are found: see ControlPlane.kubeconfigs. */
  readonly users?: Readonly<Record<string, User>>
  /** Flags of Metacontroller beyond those that say where things are; default: fast ones, see below. */
  readonly metacontrollerFlags?: readonly string[]
  /** A proxy between Metacontroller and the API server, without which killAfterWrite cannot be; default true. */
  readonly faults?: boolean
  /** Further flags of kube-apiserver. */
  readonly apiserverFlags?: readonly string[]
}

export interface User {
  readonly name: string
  readonly groups: readonly string[]
}

export interface ControlPlane {
  /** https://<address>:<port> */
  readonly server: string
  /** PEM: the authority of the API server's certificate. */
  readonly ca: string
  /** Of a cluster administrator. */
  readonly kubeconfig: string
  /** Of the hook service: it may only write Events. */
  readonly eventsKubeconfig: string
  /** Of the further users of the options. */
  readonly kubeconfigs: Readonly<Record<string, string>>
  /** A shell script that runs kubectl with that kubeconfig. */
  readonly kubectl: string
  readonly client: Client
  readonly workplace: Workplace
  readonly metacontroller: MetacontrollerProcess
  /** CPU and memory of each component, and of the hook service if it runs in the same workplace. Linux only. */
  usage(): Record<string, Usage>
  stop(): Promise<void>
}

export interface MetacontrollerProcess {
  /**
   * Resolves when it serves its metrics. Its CRDs are there; its permissions are the caller's to grant. When it ends by
   * itself it is started again a second later, as a kubelet does: 1.5.20 dies of a race in its cache of related
   * objects every now and then (see docs/compatibility.md).
   */
  start(): Promise<void>
  kill(): Promise<void>
  /** False before `start` and once it was killed; a crash that is being made good does not count. */
  running(): boolean
  /** See Metacontroller in test/scenarios/cluster.ts. */
  killAfterWrite(n: number): void
  tail(): string
}

/** The user Metacontroller acts as: what its own manifests and this suite's RBAC bind to. */
export const metacontrollerUser = 'system:serviceaccount:metacontroller:metacontroller'

/** The user the hook service is, where it writes Events: the service account of deploy/kustomize. */
export const eventsUser = 'system:serviceaccount:operator-hooks:operator-hooks-events'

/**
 * Flags with which the suite is quick: the defaults allow five requests a second. `deploy/` ships like ones.
 */
export const fastMetacontroller = [
  '--discovery-interval=5s',
  '--client-go-qps=300',
  '--client-go-burst=300',
  '--workers=20',
] as const

/**
 * Starts one; seconds, once the binaries are built. Metacontroller's CRDs are installed, the process itself is left
 * to the caller, since a controller whose kinds are not there yet would first have to be retried. When a component
 * does not come up, the error holds the end of its log. KEEP_LOGS=1 leaves the folder with the logs.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const binaries = await ensureBinaries()
  const workplace = openWorkplace('operator-hooks-')
  try {
    return await startIn(workplace, binaries, options)
  } catch (error) {
    await workplace.close()
    throw error
  }
}

async function startIn(workplace: Workplace, binaries: Binaries, options: ControlPlaneOptions): Promise<ControlPlane> {
  const { folder } = workplace
  const [etcdPort, peerPort, apiPort, metricsPort, healthPort] = await freePorts(5)
  const address = options.address ?? '127.0.0.1'
  const server = `https://${address}:${apiPort}`
  const users = { ...ownUsers, ...options.users }
  const tokens = writeTokens(folder, users)
  const keys = writeServiceAccountKeys(folder)

  const etcd = workplace.start('etcd', [
    ...binaries.etcd,
    '--name=test',
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=http://127.0.0.1:${etcdPort}`,
    `--advertise-client-urls=http://127.0.0.1:${etcdPort}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-cluster=test=http://127.0.0.1:${peerPort}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  ])
  const certificates = join(folder, 'certificates')
  const apiserver = workplace.start('kube-apiserver', [
    ...binaries.kubeApiserver,
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    `--secure-port=${apiPort}`,
    `--bind-address=${address}`,
    `--cert-dir=${certificates}`,
    `--token-auth-file=${tokens.file}`,
    '--authorization-mode=Node,RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${keys.publicKey}`,
    `--service-account-signing-key-file=${keys.privateKey}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--allow-privileged',
    // Not on by default, but on OpenShift: it shows whether permissions on the finalizers subresource suffice.
    '--enable-admission-plugins=OwnerReferencesPermissionEnforcement',
    ...(options.apiserverFlags ?? []),
  ])

  // Given no certificate the API server makes one, and the authority that it names, on its own.
  const certificate = join(certificates, 'apiserver.crt')
  const whole = () => existsSync(certificate) && readFileSync(certificate, 'utf8').trimEnd().endsWith('-----')
  await untilUp('the certificate of kube-apiserver', [etcd, apiserver], async () => whole())
  const ca = readFileSync(certificate, 'utf8')
  const client = connect(server, ca, tokens.of('admin'))
  await untilUp('kube-apiserver', [etcd, apiserver], async () => (await client.request('GET', '/readyz')) === 'ok')

  const kubeconfig = (user: string, url = server) => {
    const path = join(folder, `${user}.kubeconfig`)
    const content = kubeconfigOf(url, url === server ? ca : undefined, tokens.of(user))
    writeFileSync(path, JSON.stringify(content), { mode: 0o600 })
    return path
  }
  const controllerManager = workplace.start('kube-controller-manager', [
    ...binaries.kubeControllerManager,
    `--kubeconfig=${kubeconfig('kube-controller-manager')}`,
    `--service-account-private-key-file=${keys.privateKey}`,
    `--root-ca-file=${certificate}`,
    '--use-service-account-credentials',
    '--leader-elect=false',
    '--secure-port=0',
    '--kube-api-qps=500',
    '--kube-api-burst=1000',
    // Bound volumes are looked at this often where no event points at them; 15 s would make claims slow.
    '--pvclaimbinder-sync-period=2s',
    '--horizontal-pod-autoscaler-sync-period=2s',
  ])
  const scheduler = workplace.start('kube-scheduler', [
    ...binaries.kubeScheduler,
    `--config=${schedulerConfig(folder, kubeconfig('kube-scheduler'))}`,
    '--secure-port=0',
  ])
  const playedNodes = nodes(options.nodes ?? 3)
  const kwok =
    playedNodes.length === 0
      ? []
      : [
          workplace.start('kwok', [
            ...binaries.kwok,
            `--kubeconfig=${kubeconfig('kwok')}`,
            `--config=${join(import.meta.dirname, 'stages.yaml')}`,
            '--manage-all-nodes',
            '--cidr=10.128.0.0/16',
            '--node-lease-duration-seconds=40',
          ]),
        ]

  const crds = documents(binaries.metacontrollerCrds)
  await Promise.all([
    ...playedNodes.map((node) => client.create(node)),
    ...(playedNodes.length === 0 ? [] : storageClasses.map((storageClass) => client.create(storageClass))),
    ...crds.map((crd) => client.create(crd)),
  ])
  await Promise.all(crds.map((crd) => untilKindServed(client, crd)))
  const players = [controllerManager, scheduler, ...kwok]
  await untilUp('the nodes', players, async () =>
    (await client.list({ apiVersion: 'v1', kind: 'Node' })).every(isReady),
  )
  // Every namespace gets one from the controller-manager; pods are refused before.
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', namespace: 'default', name: 'default' }
  await untilUp('the default service account', players, async () => (await client.get(account)) !== undefined)

  const admin = kubeconfig('admin')
  const proxy =
    options.faults === false
      ? undefined
      : await startProxy(server, isWrite, { ca, headers: { authorization: `Bearer ${tokens.of('metacontroller')}` } })
  const metacontroller = metacontrollerProcess(
    workplace,
    [
      ...binaries.metacontroller,
      ...listenFlags(binaries.metacontroller, Number(metricsPort), Number(healthPort)),
      ...(options.metacontrollerFlags ?? fastMetacontroller),
    ],
    // Not by its flag --kubeconfig, which 1.5 overwrites with an empty one of its own.
    { KUBECONFIG: kubeconfig('metacontroller', proxy?.url) },
    Number(metricsPort),
    proxy,
  )
  return {
    server,
    ca,
    kubeconfig: admin,
    eventsKubeconfig: kubeconfig('events'),
    kubeconfigs: Object.fromEntries(Object.keys(options.users ?? {}).map((user) => [user, kubeconfig(user)])),
    kubectl: kubectlScript(folder, binaries.kubectl, admin),
    client,
    workplace,
    metacontroller,
    usage: () => workplace.usage(),
    async stop() {
      client.close()
      // The processes first: the proxy's end would only make Metacontroller complain.
      await workplace.close()
      await proxy?.close()
    },
  }
}

/** Metacontroller by this command and with this environment, its metrics on this port. */
export function metacontrollerProcess(
  workplace: Workplace,
  command: readonly string[],
  env: Record<string, string>,
  metricsPort: number,
  proxy: CountingProxy | undefined,
): MetacontrollerProcess {
  let process: Component | undefined
  let restart: NodeJS.Timeout | undefined
  const launch = () => {
    clearTimeout(restart)
    restart = undefined
    const started = workplace.start('metacontroller', command, env)
    process = started
    started.gone.then(() => {
      // `unref`: nobody has to wait for a restart in order to end.
      if (process === started && started.failed() && !workplace.closing()) restart = setTimeout(launch, 1000).unref()
    })
  }
  const kill = async () => {
    clearTimeout(restart)
    restart = undefined
    await process?.kill()
  }
  const tail = () => process?.tail() ?? ''
  const running = () => restart !== undefined || (process?.running() ?? false)
  return {
    async start() {
      if (running()) throw new Error('Metacontroller runs already')
      launch()
      await untilUp('Metacontroller', [{ name: 'metacontroller', running, tail }], () =>
        answers(`http://127.0.0.1:${metricsPort}/metrics`),
      )
    },
    kill,
    running,
    killAfterWrite(n) {
      if (!proxy) throw new Error('killAfterWrite needs a control plane started with faults')
      proxy.strikeAt(n, kill)
    },
    tail,
  }
}

/** Events are left out: they are written behind the back of the sync, so counting them would make a count random. */
function isWrite({ method, url = '' }: { method?: string | undefined; url?: string | undefined }): boolean {
  return method !== 'GET' && !/\/events(\/|\?|$)/.test(url)
}

/** 1.5 has one address, for metrics; 4 has one for metrics and one for health. Both would clash with another's. */
export function listenFlags(metacontroller: readonly string[], metricsPort: number, healthPort: number): string[] {
  const [program = ''] = metacontroller
  const { stdout, stderr, error } = spawnSync(program, ['--help'], { encoding: 'utf8', timeout: 10_000 })
  if (error) throw new Error(`${program} --help: ${error.message}`)
  const help = stdout + stderr
  const flags = { 'debug-addr': metricsPort, 'metrics-address': metricsPort, 'health-probe-bind-address': healthPort }
  const known = Object.entries(flags).filter(([flag]) => help.includes(`-${flag}`))
  if (known.length === 0) throw new Error(`${program} --help names no flag for the address of its metrics:\n${help}`)
  return known.map(([flag, port]) => `--${flag}=127.0.0.1:${port}`)
}

export async function freePorts(count: number): Promise<number[]> {
  // All are held at once, so that no two are the same.
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer()
          server.listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  return Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          const { port } = server.address() as AddressInfo
          server.close(() => resolve(port))
        }),
    ),
  )
}

/** One port that nothing listens on now. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  if (port === undefined) throw new Error('no free port')
  return port
}

/** RBAC's own bindings know the users by these names. */
const ownUsers: Readonly<Record<string, User>> = {
  admin: { name: 'admin', groups: ['system:masters'] },
  'kube-controller-manager': { name: 'system:kube-controller-manager', groups: [] },
  'kube-scheduler': { name: 'system:kube-scheduler', groups: [] },
  kwok: { name: 'kwok', groups: ['system:masters'] },
  metacontroller: {
    name: metacontrollerUser,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:metacontroller'],
  },
  events: { name: eventsUser, groups: ['system:serviceaccounts', 'system:serviceaccounts:operator-hooks'] },
}

/** Static bearer tokens, made anew each time. */
function writeTokens(folder: string, users: Readonly<Record<string, User>>) {
  const file = join(folder, 'tokens.csv')
  const tokens = new Map(Object.keys(users).map((key) => [key, randomUUID()]))
  const lines = Object.entries(users).map(
    ([key, { name, groups }]) => `${tokens.get(key)},${name},${name},"${groups.join(',')}"\n`,
  )
  writeFileSync(file, lines.join(''), { mode: 0o600 })
  return { file, of: (key: string) => tokens.get(key) ?? '' }
}

function writeServiceAccountKeys(folder: string) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  const paths = { publicKey: join(folder, 'service-account.pub'), privateKey: join(folder, 'service-account.key') }
  writeFileSync(paths.publicKey, publicKey)
  writeFileSync(paths.privateKey, privateKey, { mode: 0o600 })
  return paths
}

/** JSON, which is YAML too. */
function kubeconfigOf(server: string, ca: string | undefined, token: string) {
  const authority = ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, ...authority } }],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  }
}

function schedulerConfig(folder: string, kubeconfig: string): string {
  const path = join(folder, 'kube-scheduler.yaml')
  const config = {
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    clientConnection: { kubeconfig, qps: 500, burst: 1000 },
    leaderElection: { leaderElect: false },
    podInitialBackoffSeconds: 1,
    podMaxBackoffSeconds: 2,
  }
  writeFileSync(path, JSON.stringify(config))
  return path
}

/** A script in `folder` that runs kubectl with that kubeconfig. */
export function kubectlScript(folder: string, kubectl: readonly string[], kubeconfig: string): string {
  const path = join(folder, 'kubectl')
  const words = kubectl.map((word) => `'${word}'`).join(' ')
  writeFileSync(path, `#!/bin/sh\nexec ${words} --kubeconfig='${kubeconfig}' "$@"\n`, { mode: 0o755 })
  return path
}

function nodes(count: number): KubernetesObject[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `node-${index}`
    return {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name,
        labels: {
          'kubernetes.io/hostname': name,
          'kubernetes.io/os': 'linux',
          'kubernetes.io/arch': 'amd64',
          'topology.kubernetes.io/region': 'region-1',
          'topology.kubernetes.io/zone': `zone-${'abc'[index % 3]}`,
        },
      },
    }
  })
}

const provisioner = 'cluster.test/volumes'

/** `standard` is the default and can grow; `fixed` cannot. */
const storageClasses: KubernetesObject[] = [
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner,
    volumeBindingMode: 'WaitForFirstConsumer',
    allowVolumeExpansion: true,
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'fixed' },
    provisioner,
    volumeBindingMode: 'WaitForFirstConsumer',
    allowVolumeExpansion: false,
  },
]

function isReady(node: KubernetesObject): boolean {
  const { conditions } = (node.status ?? {}) as { conditions?: { type: string; status: string }[] }
  return conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}

/** Asks until it is so; the error after a minute, or once a component has gone, ends with what the components wrote. */
export async function untilUp(
  what: string,
  components: readonly Pick<Component, 'name' | 'running' | 'tail'>[],
  probe: () => Promise<boolean>,
): Promise<void> {
  const problem = (why: string) => {
    const logs = components.map(({ name, tail }) => `--- ${name}\n${tail()}`).join('\n')
    return new Error(`${what}: ${why}\n${logs}`)
  }
  for (const started = Date.now(); Date.now() - started < 60_000; ) {
    if (await probe().catch(() => false)) return
    const dead = components.find((component) => !component.running())
    if (dead) throw problem(`${dead.name} ended`)
    await wait(50)
  }
  throw problem('not there after 60 s')
}

/** Whether a URL answers 200. */
export function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    get(url, { agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    }).on('error', () => resolve(false))
  })
}
