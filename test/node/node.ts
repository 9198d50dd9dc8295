// One node: namespaces that look like a machine, with containerd, kubelet and kube-proxy in them.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ControlPlane } from '../cluster/controlplane.ts'
import { untilUp } from '../cluster/controlplane.ts'
import type { Component, Workplace } from '../cluster/workplace.ts'
import type { NodeBinaries } from './build.ts'
import type { Authority } from './certificates.ts'
import { ensureRootfs } from './debian.ts'
import { type Image, ownImages } from './images.ts'
import { allPods, type Network, podRange } from './network.ts'
import { output } from './shell.ts'

/** Where every cluster's DNS is: the tenth address of the Services' range. */
const dnsAddress = '10.96.0.10'

/** Where a node keeps what its containers say. */
export const podLogs = '/var/lib/node/logs'

export interface Node {
  readonly name: string
  readonly address: string
  readonly kubelet: Component
  /** Starts the kubelet again after it was stopped or killed. */
  startKubelet(): Promise<void>
  /** Runs a command in the node, as root in its own namespaces, and gives its output. */
  run(...command: string[]): Promise<string>
  /** The command, for this machine, that runs another in the node as `run` does. */
  inside(...command: string[]): string[]
  /** Pulls the plug: everything on it is gone at once. */
  kill(): Promise<void>
}

export interface NodeOptions {
  readonly index: number
  readonly workplace: Workplace
  readonly network: Network
  readonly controlPlane: ControlPlane
  readonly authority: Authority
  readonly binaries: NodeBinaries
  readonly images: readonly Image[]
}

export const nodeName = (index: number) => `node-${index}`

/** What the node itself is made of: Debian's own runtime of containers, plug-ins of the network and its tools. */
export const ensureNodeRootfs = () =>
  ensureRootfs({
    name: 'node',
    suite: 'trixie',
    packages: ['runc', 'nftables', 'containernetworking-plugins', 'iproute2', 'conntrack', 'kmod', 'procps'],
  })

/** Starts one, and resolves when its kubelet says Ready. */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { index, workplace, network, controlPlane, images } = options
  const name = nodeName(index)
  const address = network.nodeAddress(index)
  const folder = join(workplace.folder, name)
  const configuration = join(folder, 'configuration')
  mkdirSync(configuration, { recursive: true })
  await writeConfiguration(configuration, options)

  const group = `operator-hooks-${process.pid}-${name}`
  workplace.undo(removeGroups(group))
  const binds = [
    `${configuration}:/etc/node:ro`,
    `${options.binaries.containerd}:/opt/containerd:ro`,
    `${options.binaries.kubelet}:/opt/kubelet:ro`,
    ...images.map(({ folder }, number) => `${folder}:/opt/images/${number}:ro`),
  ]
  const machine = workplace.start(name, [
    join(import.meta.dirname, 'node.sh'),
    group,
    folder,
    await ensureNodeRootfs(),
    binds.join(' '),
  ])
  await untilUp(name, [machine], async () => existsSync(join(folder, 'ready')))
  const init = initOf(machine)
  const inside = (...command: string[]) => [
    join(import.meta.dirname, 'enter.sh'),
    group,
    String(init),
    '/usr/bin/env',
    '-i',
    'PATH=/opt/containerd:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...command,
  ]
  await network.attach(index, init)
  await output(inside('nft', masquerade))

  const containerd = workplace.start(
    `containerd-${index}`,
    inside('containerd', '--config=/etc/node/containerd.toml', '--log-level=warn'),
  )
  await untilUp(`containerd of ${name}`, [machine, containerd], async () =>
    output(inside('ctr', 'version')).then(
      () => true,
      () => false,
    ),
  )
  for (const number of images.keys()) {
    const load = `tar --create --directory=/opt/images/${number} . | ctr --namespace=k8s.io images import -`
    await output(inside('bash', '-o', 'pipefail', '-c', load), 300)
  }

  let kubelet: Component | undefined
  const startKubelet = async () => {
    const started = workplace.start(
      `kubelet-${index}`,
      inside(
        '/opt/kubelet/kubelet',
        'kubelet',
        '--config=/etc/node/kubelet.json',
        '--kubeconfig=/etc/node/kubelet.kubeconfig',
        `--hostname-override=${name}`,
        `--node-ip=${address}`,
        '--root-dir=/var/lib/node/kubelet',
        `--node-labels=topology.kubernetes.io/zone=zone-${'abc'[index % 3]},topology.kubernetes.io/region=region-1`,
        '--v=1',
      ),
    )
    kubelet = started
    await untilUp(`the kubelet of ${name}`, [machine, containerd, started], () => isReady(controlPlane, name))
  }
  await startKubelet()
  const proxy = workplace.start(
    `kube-proxy-${index}`,
    inside('/opt/kubelet/kubelet', 'kube-proxy', '--config=/etc/node/kube-proxy.json', `--hostname-override=${name}`),
  )
  return {
    name,
    address,
    get kubelet() {
      if (kubelet === undefined) throw new Error(`${name} has no kubelet`)
      return kubelet
    },
    startKubelet,
    run: (...command) => output(inside(...command)),
    inside,
    async kill() {
      await Promise.all([kubelet, containerd, proxy].map((component) => component?.kill()))
      await machine.kill()
    },
  }
}

// Pods are known by their own addresses among themselves; the machine outside only knows the node's.
const masquerade = `
table ip pods {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${allPods} ip daddr != ${allPods} masquerade
  }
}
`

/** Control groups stay when their processes go, and can be removed only from the leaves up. */
function removeGroups(group: string): string {
  const all = `/sys/fs/cgroup/${group} /sys/fs/cgroup/*/${group}`
  const once = `find ${all} -depth -type d -exec rmdir {} + 2>/dev/null`
  // The kernel needs a moment to see the last process off.
  return `tries=0; while [ -n "$(ls -d ${all} 2>/dev/null)" ] && [ $tries -lt 50 ]; do ${once}; sleep 0.1; tries=$((tries + 1)); done`
}

/** node.sh has become `unshare`, whose one child is the init of the node's own processes. */
function initOf({ pid, tail }: Component): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  if (!child) throw new Error(`the node has no init:\n${tail()}`)
  return Number(child)
}

async function isReady({ client }: ControlPlane, name: string): Promise<boolean> {
  const node = await client.get({ apiVersion: 'v1', kind: 'Node', name })
  const { conditions = [] } = (node?.status ?? {}) as { conditions?: { type: string; status: string }[] }
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

async function writeConfiguration(folder: string, options: NodeOptions): Promise<void> {
  const { index, network, authority, controlPlane } = options
  const address = network.nodeAddress(index)
  const name = nodeName(index)
  const write = (file: string, content: string | object) =>
    writeFileSync(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 })
  const { cert, key } = await authority.server(name, { addresses: [address], names: [name] })
  write('kubelet.crt', cert)
  write('kubelet.key', key)
  write('authority.crt', authority.cert)
  for (const [file, user] of [
    ['kubelet.kubeconfig', name],
    ['kube-proxy.kubeconfig', 'kube-proxy'],
  ] as const) {
    copyFileSync(controlPlane.kubeconfigs[user] ?? '', join(folder, file))
  }
  write('containerd.toml', containerdConfiguration())
  write('kubelet.json', kubeletConfiguration(address))
  write('kube-proxy.json', proxyConfiguration)
  mkdirSync(join(folder, 'network'))
  write('network/10-pods.conflist', {
    cniVersion: '1.0.0',
    name: 'pods',
    // Each pod has a cable of its own to the node, which routes: so every packet passes kube-proxy's rules, without
    // the kernel having to look into bridges.
    plugins: [
      {
        type: 'ptp',
        ipam: {
          type: 'host-local',
          dataDir: '/run/pods',
          ranges: [[{ subnet: podRange(index) }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  })
}

function containerdConfiguration(): string {
  return `version = 3
root = '/var/lib/node/containerd'
state = '/run/containerd'
# It would unpack programs of images into a folder that is only read here.
disabled_plugins = ['io.containerd.internal.v1.opt']
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${ownImages.pause}'
[plugins.'io.containerd.cri.v1.runtime']
  # Where the kernel does not let even root lower a score, no container would start.
  restrict_oom_score_adj = ${!mayLowerOomScore()}
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/usr/lib/cni']
  conf_dir = '/etc/node/network'
[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = 'runc'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = '/usr/sbin/runc'
  SystemdCgroup = false
`
}

/** CAP_SYS_RESOURCE, capability 24 of capabilities(7). */
function mayLowerOomScore(): boolean {
  const effective = readFileSync('/proc/self/status', 'utf8').match(/^CapEff:\s+([0-9a-f]+)/m)?.[1] ?? '0'
  return ((BigInt(`0x${effective}`) >> 24n) & 1n) === 1n
}

function kubeletConfiguration(address: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: '/etc/node/authority.crt' },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: '/etc/node/kubelet.crt',
    tlsPrivateKeyFile: '/etc/node/kubelet.key',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    cgroupDriver: 'cgroupfs',
    // Machines with version 1 are still about, and this one's namespaces work on both.
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    clusterDomain: 'cluster.local',
    clusterDNS: [dnsAddress],
    // The disk is the machine's, and how full it is no business of this node: it evicts nothing and removes no image.
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '0%',
      'nodefs.inodesFree': '0%',
      'imagefs.available': '0%',
      'imagefs.inodesFree': '0%',
    },
    imageGCHighThresholdPercent: 100,
    podLogsDir: podLogs,
    nodeStatusUpdateFrequency: '5s',
    // A scenario waits for what it changed.
    syncFrequency: '10s',
    registerWithTaints: [],
  }
}

const proxyConfiguration = {
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  clientConnection: { kubeconfig: '/etc/node/kube-proxy.kubeconfig' },
  mode: 'nftables',
  clusterCIDR: allPods,
  // Zero leaves the limits of connection tracking alone: they are the machine's.
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  metricsBindAddress: '127.0.0.1:10249',
  healthzBindAddress: '127.0.0.1:10256',
}
