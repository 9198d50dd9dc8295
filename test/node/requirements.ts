// Whether there can be pods that really run: on a cluster that is given, or on nodes that this machine carries, which needs
// root, Linux and some of its features.
import { spawnSync } from 'node:child_process'
import { hasProgram } from './debian.ts'

/** The kubeconfig of a cluster that is there, to run on instead of nodes of our own. */
export const givenKubeconfig = process.env.NODE_KUBECONFIG || undefined

/**
 * The suite's own image of that variable, as nodes of that cluster get it: members of replicated databases begin with one.
 * Empty where it is not told, and on nodes of our own, which have the images under their usual names.
 */
export function givenImage(variable: 'NODE_SUITE_IMAGE' | 'NODE_POSTGRESQL_AGENT_IMAGE'): string {
  return givenKubeconfig === undefined ? '' : (process.env[variable] ?? '')
}

/** What is in the way of a test that runs on any cluster, in one sentence; undefined when nothing is. */
export function obstacle(): string | undefined {
  return givenKubeconfig === undefined ? obstacleToNodes() : undefined
}

/** The same for a test that needs nodes of our own: to stop them, or to look at them from outside. */
export function obstacleToOwnNodes(): string | undefined {
  return givenKubeconfig === undefined ? obstacleToNodes() : 'it needs nodes of its own, and a cluster was given'
}

/** The same for a test of databases with members, whose pods begin with one of the suite's own images. */
export function obstacleToMembers(variable: Parameters<typeof givenImage>[0]): string | undefined {
  if (givenKubeconfig === undefined || givenImage(variable) !== '') return obstacle()
  return `a cluster was given, and ${variable} does not say where it gets the image from`
}

function obstacleToNodes(): string | undefined {
  if (process.platform !== 'linux') return `a node needs Linux, and this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'a node needs root: it makes namespaces, mounts and control groups'
  const missing = ['unshare', 'nsenter', 'ip', 'tar', 'apt-get', 'dpkg-deb'].filter((name) => !hasProgram(name))
  if (missing.length > 0) return `a node needs the programs ${missing.join(', ')}`
  for (const { what, command } of trials) {
    const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8', timeout: 20_000 })
    if (status !== 0) return `a node needs ${what}: ${stderr.trim().split('\n').at(-1)}`
  }
  return undefined
}

// Each leaves nothing: its namespace goes with it.
const trials = [
  {
    what: 'namespaces of mounts, processes, network, names and control groups',
    command: 'unshare --mount --pid --fork --net --uts --ipc --cgroup true',
  },
  {
    what: 'overlay file systems',
    command: `unshare --mount sh -c 'mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir a b c d && mount -t overlay overlay -o lowerdir=a,upperdir=b,workdir=c d'`,
  },
  {
    what: 'virtual network cables and bridges',
    command: `unshare --net sh -c 'ip link add one type veth peer name two && ip link add three type bridge'`,
  },
  {
    what: 'control groups that may be written to',
    command: `target=$(awk '$3 == "cgroup" || $3 == "cgroup2" { print $2; exit }' /proc/mounts) && mkdir "$target/trial-$$" && rmdir "$target/trial-$$"`,
  },
]
