// A temporary folder and the processes that live in it. Whatever becomes of this process, SIGKILL included, both are
// gone soon after it: a small shell, outside its process group, waits for its end and then cleans up.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/** CPU time since its start, and the most memory it held at once. */
export interface Usage {
  cpuSeconds: number
  peakMiB: number
}

/** One running program with its log. */
export interface Component {
  readonly name: string
  readonly pid: number
  running(): boolean
  /** Whether it ended without being told to. */
  failed(): boolean
  /** Resolves when it has ended, for whatever reason. */
  readonly gone: Promise<void>
  /** SIGKILL to its process group; resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM, and SIGKILL after `graceSeconds`; resolves with the exit code (null after a signal). */
  stop(graceSeconds: number): Promise<number | null>
  /** The end of what it wrote. */
  tail(): string
}

export interface Workplace {
  readonly folder: string
  /** Starts a program in its own process group, its output in `<name>.log`. */
  start(name: string, command: readonly string[], env?: Record<string, string>): Component
  /** By component's name; what was started several times under one name is summed. Linux only. */
  usage(): Record<string, Usage>
  /** What ended without being told to, each with the end of its log. */
  failures(): string[]
  /** Whether `close` was called: what ends from now on was meant to. */
  closing(): boolean
  /** Kills what still runs and removes the folder (KEEP_LOGS=1 leaves it). */
  close(): Promise<void>
}

/** Opens a new temporary folder whose name begins with `prefix`. */
export function openWorkplace(prefix: string): Workplace {
  const folder = mkdtempSync(join(tmpdir(), prefix))
  const keep = Boolean(process.env.KEEP_LOGS)
  const janitor = spawn('/bin/sh', ['-c', janitorScript, 'janitor', keep ? '' : folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // A janitor that is gone (someone killed it) must not break the tests that run.
  janitor.stdin.on('error', () => undefined)
  const living = new Map<number, string>()
  const started: Component[] = []
  const past: Record<string, Usage> = {}
  let closing = false

  return {
    folder,
    start(name, command, env = {}) {
      const [program, ...args] = command
      if (program === undefined) throw new Error(`no command to start ${name} with`)
      const path = join(folder, `${name}.log`)
      const log = openSync(path, 'a')
      const child = spawn(program, args, {
        env: { ...process.env, ...env },
        detached: true,
        stdio: ['ignore', log, log],
      })
      closeSync(log)
      const { pid } = child
      if (pid === undefined) throw new Error(`${name} could not be started: ${program}`)
      janitor.stdin.write(`add ${pid}\n`)
      living.set(pid, name)
      child.once('exit', () => {
        living.delete(pid)
        janitor.stdin.write(`forget ${pid}\n`)
      })
      const one = component(name, child, pid, path, () => remember(past, name, measure(pid)))
      started.push(one)
      return one
    },
    usage() {
      const sums: Record<string, Usage> = structuredClone(past)
      for (const [pid, name] of living) remember(sums, name, measure(pid))
      return sums
    },
    failures: () =>
      started.filter(({ failed }) => failed()).map(({ name, tail }) => `${name} ended unasked:\n${tail()}`),
    closing: () => closing,
    async close() {
      if (closing) return
      closing = true
      const gone = once(janitor, 'exit')
      janitor.stdin.end()
      await gone
      if (keep) process.stderr.write(`logs kept in ${folder}\n`)
    },
  }
}

/**
 * Reads `add <pid>` and `forget <pid>`. When its input ends it kills the process groups that are left, waits until
 * they are gone, so that nothing writes into the folder any more, and removes the folder named by its argument.
 */
const janitorScript = `
trap '' INT TERM HUP
pids=' '
while read -r verb pid; do
  case $verb in
    add) pids="$pids$pid " ;;
    forget) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
  esac
done
for pid in $pids; do kill -s KILL -- "-$pid" 2>/dev/null; done
for pid in $pids; do
  tries=0
  while kill -s 0 -- "-$pid" 2>/dev/null && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
done
[ -z "$1" ] || rm -rf -- "$1"
`

function component(name: string, child: ChildProcess, pid: number, log: string, leaving: () => void): Component {
  const running = () => child.exitCode === null && child.signalCode === null
  const signal = (what: NodeJS.Signals) => {
    try {
      process.kill(-pid, what)
    } catch {
      // ESRCH: it went in between, which is what was wanted.
    }
  }
  const gone = once(child, 'exit').then(() => undefined)
  let told = false
  const end = async (what: NodeJS.Signals) => {
    if (!running()) return
    told = true
    leaving()
    signal(what)
    await gone
  }
  return {
    name,
    pid,
    running,
    failed: () => !told && !running(),
    gone,
    kill: () => end('SIGKILL'),
    async stop(graceSeconds) {
      const late = new AbortController()
      const timer = wait(graceSeconds * 1000, undefined, { signal: late.signal }).then(
        () => signal('SIGKILL'),
        () => undefined,
      )
      await end('SIGTERM')
      late.abort()
      await timer
      return child.exitCode
    },
    tail: () => readFileSync(log, 'utf8').split('\n').slice(-25).join('\n'),
  }
}

/** Clock ticks per second in /proc/<pid>/stat: USER_HZ, 100 on every Linux architecture that Node.js runs on. */
const ticksPerSecond = 100

/** From /proc: fields 14 and 15 of stat (user and system time), and VmHWM of status. */
function measure(pid: number): Usage {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in brackets and may hold blanks.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const peak = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmHWM:\s+(\d+)/m)?.[1]
    return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond, peakMiB: Number(peak ?? 0) / 1024 }
  } catch {
    return { cpuSeconds: 0, peakMiB: 0 }
  }
}

function remember(sums: Record<string, Usage>, name: string, { cpuSeconds, peakMiB }: Usage): void {
  const sum = sums[name] ?? { cpuSeconds: 0, peakMiB: 0 }
  sums[name] = { cpuSeconds: sum.cpuSeconds + cpuSeconds, peakMiB: Math.max(sum.peakMiB, peakMiB) }
}
