// An engine without Kubernetes around it: the same root file system that its image is made of, the same entry point and
// configuration files, on the same disk, in nothing but a few namespaces so that its paths and its port are its own.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Component, Workplace } from '../cluster/workplace.ts'
import { output } from '../node/shell.ts'

export interface BareEngine {
  /** Runs Bash there, as the engine's own user, and gives its output. */
  run(script: string): Promise<string>
  stop(): Promise<void>
}

export interface BareOptions {
  readonly workplace: Workplace
  /** The root file system; it is only read. */
  readonly rootfs: string
  /** Where the data lies in the pod. */
  readonly dataPath: string
  /** By absolute path. */
  readonly files: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  /** What the container runs. */
  readonly command: readonly string[]
  /** Bash that succeeds when the engine serves. */
  readonly ready: string
}

const user = '999:999'

/** Starts it with an empty data folder, and resolves when it serves. */
export async function startBareEngine(options: BareOptions): Promise<BareEngine> {
  const { workplace, rootfs, dataPath, files, env, command, ready } = options
  const folder = join(workplace.folder, 'bare')
  for (const part of ['root', 'upper', 'work', 'data']) mkdirSync(join(folder, part), { recursive: true })
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, 'upper', path, '..'), { recursive: true })
    writeFileSync(join(folder, 'upper', path), content)
  }
  const component = workplace.start('bare-engine', [
    ...['unshare', '--mount', '--propagation=private', '--pid', '--fork', '--kill-child', '--net'],
    ...['bash', '-c', machine, 'bash', folder, rootfs, dataPath, user],
    ...['env', '-i', ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...command],
  ])
  const run = async (script: string) => {
    const inside = ['chroot', `--userspec=${user}`, join(folder, 'root'), 'env', '-i', `PATH=${env.PATH}`, 'HOME=/tmp']
    const enter = ['nsenter', `--target=${childOf(component)}`, '--mount', '--pid', '--net', '--', ...inside]
    return output([...enter, 'bash', '-ec', script], 600)
  }
  for (const started = Date.now(); ; await wait(250)) {
    if (!component.running()) throw new Error(`the bare engine ended:\n${component.tail()}`)
    const problem = await run(ready).then(
      () => undefined,
      (error: Error) => error,
    )
    if (problem === undefined) break
    if (Date.now() - started > 120_000) throw new Error(`${problem.message}\n${component.tail()}`)
  }
  return {
    run,
    async stop() {
      await component.stop(60)
    },
  }
}

const machine = `
set -eu
folder=$1 rootfs=$2 data=$3 user=$4
shift 4
mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
mkdir -p "$folder/root$data"
chown "$user" "$folder/data"
mount --bind "$folder/data" "$folder/root$data"
mount -t proc proc "$folder/root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$folder/root/tmp"
mount -t tmpfs -o mode=1777 tmpfs "$folder/root/run"
mkdir -m 1777 "$folder/root/run/postgresql" "$folder/root/run/mysqld"
mount --rbind /dev "$folder/root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$folder/root/dev/shm"
ip link set lo up
exec chroot --userspec="$user" "$folder/root" "$@"
`

/** The engine itself: the one child of `unshare`. */
function childOf({ pid, tail }: Component): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  if (!child) throw new Error(`the bare engine has no process:\n${tail()}`)
  return Number(child)
}
