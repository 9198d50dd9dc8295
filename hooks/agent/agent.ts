// What the agent of an engine is: it runs beside one member of a replicated Database, in the member's own pod.
import type { Logger } from 'pino'
import type { Role } from '../sdk/roles.ts'

/** What an agent found the member to be, after having done what was to be done. */
export interface Step {
  /** Undefined while the member serves nobody. */
  role: Role | undefined
  /** A few words for the log, which tells of every change: "ONLINE as PRIMARY of 3". No secrets. */
  state: string
  /** Pods of the same Database that cannot be the primary now, whatever their label says; for a primary alone. */
  others?: readonly string[]
  /** Has one of the others be the primary, without a word lost; for a primary alone. */
  handOver?(pod: string): Promise<void>
  /** There where the server was told to end and waits until it may: says so, when whoever was to take over has. */
  leave?(): Promise<void>
}

/** An engine's agent. */
export interface EngineAgent {
  /** Looks once at the member and does what is to be done. An error means that nothing is known; the next step tries again. */
  step(): Promise<Step>
  /** Resolves when a step is due before its time. */
  woken?(): Promise<void>
  /** Lets go of its connections. */
  close(): Promise<void>
}

/** Makes an engine's agent; an environment that is not fit is an Error that says which variable and why. */
export type MakeAgent = (surroundings: { env: NodeJS.ProcessEnv; logger: Logger }) => EngineAgent

/** A variable that has to be there. */
export function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name]
  if (value === undefined || value === '') throw new Error(`the environment variable ${name} is not set`)
  return value
}
