// The loop of an agent: look, act, and have the pod's label say what was found.
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Role } from '../sdk/roles.ts'
import type { EngineAgent, Step } from './agent.ts'
import type { Pods } from './pod.ts'

export interface Loop {
  agent: EngineAgent
  pods: Pods
  /** Looks whether the member's volume is full, which it was when it was last looked at or was not. */
  isFull(before: boolean): Promise<boolean>
  logger: Logger
  /** Ends it. */
  signal: AbortSignal
  /** Milliseconds between two steps. */
  period: number
  /** Milliseconds for which a member that cannot be asked keeps its role: a busy one is not a lost one. */
  patience: number
}

const asking = 'the member could not be asked'
const labelling = 'the label could not be set'
const handingOver = 'the primary could not be handed over'
const leaving = 'the server could not be told that it may end'
const measuring = 'the room on the volume could not be told'

/** Milliseconds between two looks of a primary whether Kubernetes still leads Services to it. */
const lookMilliseconds = 3000

/** Milliseconds between two looks at the room that the volume has. */
const roomMilliseconds = 2000

/** Runs until `signal` says so; then the label stays as it is, since the pod ends. */
export async function runLoop({ agent, pods, isFull, logger, signal, period, patience }: Loop): Promise<void> {
  const said = sayer(logger)
  let lastSeen = performance.now()
  let current: Step | undefined
  let demoted: string | undefined
  const handOver = whereGivenUp(pods, logger)
  let full = false
  let nextLook = 0
  while (!signal.aborted) {
    try {
      current = await agent.step()
      lastSeen = performance.now()
      said.success(asking)
      said.state(current)
    } catch (error) {
      said.failure(asking, error)
      if (performance.now() - lastSeen > patience) current = undefined
    }
    const role: Role | undefined = current?.role
    try {
      await pods.setRole(role)
      // Once for each time that it becomes the primary, and when the group changes while it is: a member that went
      // without a word, with its node perhaps, takes its label along.
      const others = role === 'primary' ? (current?.others ?? []) : []
      if (demoted !== others.join()) {
        for (const name of others) await pods.demote(name)
        demoted = others.join()
      }
      said.success(labelling)
    } catch (error) {
      said.failure(labelling, error)
    }
    try {
      if (role === 'primary' && current !== undefined) await handOver(current)
      said.success(handingOver)
    } catch (error) {
      said.failure(handingOver, error)
    }
    try {
      if (current?.leave !== undefined) await leave(current, pods, logger)
      said.success(leaving)
    } catch (error) {
      said.failure(leaving, error)
    }
    try {
      if (performance.now() >= nextLook) {
        nextLook = performance.now() + roomMilliseconds
        const now = await isFull(full)
        if (now !== full) logger.warn(now ? 'the volume is full' : 'the volume has room again')
        full = now
      }
      await pods.setFull(full)
      said.success(measuring)
    } catch (error) {
      said.failure(measuring, error)
    }
    const pause = wait(period, undefined, { signal }).catch(() => undefined)
    await (agent.woken === undefined ? pause : Promise.race([pause, agent.woken()]))
  }
  await agent.close()
}

/**
 * Where only the kubelet of its node is dead, a primary goes on; but Kubernetes takes its pod out of Services, and nobody
 * could write until somebody came to look. So it hands over to another whose pod is ready.
 */
function whereGivenUp(pods: Pods, logger: Logger): (step: Step) => Promise<void> {
  let next = 0
  return async ({ others = [], handOver }) => {
    if (handOver === undefined || performance.now() < next) return
    next = performance.now() + lookMilliseconds
    if (!(await pods.givenUp())) return
    for (const name of others) {
      if (!(await pods.isReady(name))) continue
      logger.warn(`Kubernetes has taken this pod out of Services: ${name} takes over`)
      await handOver(name)
      return
    }
  }
}

/**
 * A server that is told to end is the primary no more before it does, and Services lead to the next one as soon as there is
 * one: its own agent would find out half a second later.
 */
async function leave({ role, others = [], handOver, leave }: Step, pods: Pods, logger: Logger): Promise<void> {
  for (const name of role === 'primary' && handOver !== undefined ? others : []) {
    try {
      // Where nobody can say, it is as good as any.
      if (!(await pods.isReady(name).catch(() => true))) continue
      await handOver?.(name)
    } catch (error) {
      logger.warn(`${name} does not take over: ${describe(error)}`)
      continue
    }
    logger.info(`${name} takes over`)
    await Promise.all([pods.promote(name), pods.setRole('replica')]).catch((error: unknown) =>
      logger.warn(`${labelling}: ${describe(error)}`),
    )
    break
  }
  await leave?.()
}

/** Tells changes, and a failure that goes on once in half a minute. */
function sayer(logger: Logger) {
  let state = ''
  const failures = new Map<string, { text: string; until: number }>()
  return {
    state({ state: now, role }: Step) {
      if (now !== state) logger.info({ role: role ?? 'none' }, now)
      state = now
    },
    failure(what: string, error: unknown) {
      const text = `${what}: ${describe(error)}`
      const last = failures.get(what)
      if (last?.text === text && performance.now() < last.until) return
      failures.set(what, { text, until: performance.now() + 30_000 })
      logger.warn(text)
    },
    success(what: string) {
      failures.delete(what)
    },
  }
}

/** Kind and message of an error; what else hangs on it may hold a password. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' && !error.message.includes(code) ? `${code}: ${error.message}` : error.message
}
