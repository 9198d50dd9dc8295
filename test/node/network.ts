// The cable between the machine and its nodes: a bridge in a network namespace of its own, one end of a virtual cable
// on the machine. The machine forwards nothing and gets no rule; the end of the namespace is the end of all of it.
import { readlinkSync } from 'node:fs'
import type { Component, Workplace } from '../cluster/workplace.ts'
import { output } from './shell.ts'

export interface Network {
  /** The machine's own address, which nodes and pods reach. */
  readonly hostAddress: string
  /** Address of node number `index`, from 0. */
  nodeAddress(index: number): string
  /** Plugs node number `index` in; its network namespace is that of the process `pid`. */
  attach(index: number, pid: number): Promise<void>
}

/** Addresses of the pods of node number `index`: the same in every cluster, for they are never seen outside. */
export const podRange = (index: number) => `10.244.${index}.0/24`
export const allPods = '10.244.0.0/16'

/** Lays the cable. Needs root. */
export async function openNetwork(workplace: Workplace): Promise<Network> {
  const bridge = workplace.start('switch', ['unshare', '--net', 'sleep', 'infinity'])
  await untilApart(bridge)
  const inBridge = (...command: string[]) => output(['nsenter', `--target=${bridge.pid}`, '--net', ...command])
  const [number, cable] = await plugIn(bridge.pid)
  workplace.undo(`ip link delete ${cable} 2>/dev/null`)
  const prefix = `198.18.${number}`
  await output(['ip', 'address', 'add', `${prefix}.1/24`, 'dev', cable])
  await output(['ip', 'link', 'set', cable, 'up'])
  await inBridge('ip', 'link', 'add', 'bridge', 'type', 'bridge')
  await inBridge('ip', 'link', 'set', 'bridge', 'up')
  await inBridge('ip', 'link', 'set', 'machine', 'master', 'bridge', 'up')

  const nodeAddress = (index: number) => `${prefix}.${10 + index}`
  return {
    hostAddress: `${prefix}.1`,
    nodeAddress,
    async attach(index, pid) {
      const port = `node-${index}`
      await inBridge('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid))
      await inBridge('ip', 'link', 'set', port, 'master', 'bridge', 'up')
      const inNode = (...command: string[]) => output(['nsenter', `--target=${pid}`, '--net', ...command])
      await inNode('ip', 'address', 'add', `${nodeAddress(index)}/24`, 'dev', 'eth0')
      await inNode('ip', 'link', 'set', 'eth0', 'up')
      await inNode('ip', 'route', 'add', 'default', 'via', `${prefix}.1`)
      for (let other = 0; other < mostNodes; other++) {
        if (other !== index) await inNode('ip', 'route', 'add', podRange(other), 'via', nodeAddress(other))
      }
    },
  }
}

/** Routes to so many nodes' pods are there, whether the nodes are or not. */
const mostNodes = 8

/** The first of 198.18.0.0/24 … 198.18.255.0/24 that no other cluster on this machine has: RFC 2544 keeps them free. */
async function plugIn(pid: number): Promise<[number: number, cable: string]> {
  for (let number = 0; ; number++) {
    const cable = `ohooks${number}`
    const command = ['ip', 'link', 'add', cable, 'type', 'veth', 'peer', 'name', 'machine', 'netns', String(pid)]
    const problem = await output(command).then(
      () => undefined,
      (error: Error) => error,
    )
    if (problem === undefined) return [number, cable]
    if (number === 255 || !problem.message.includes('File exists')) throw problem
  }
}

/** The process begins in our namespace and leaves it a moment later. */
async function untilApart({ pid, running, tail }: Component): Promise<void> {
  const own = readlinkSync('/proc/self/ns/net')
  for (const started = Date.now(); Date.now() - started < 10_000; ) {
    if (!running()) break
    if (readlinkSync(`/proc/${pid}/ns/net`) !== own) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`no network namespace could be made:\n${tail()}`)
}
