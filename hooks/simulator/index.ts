// The simulator's public face. See simulator.ts for a cluster that runs, plan.ts for one that is only asked.
export { serveApi } from './api.ts'
export { createClock, createRealClock } from './clock.ts'
export { type ApiError, isApiError } from './errors.ts'
export { type Plan, type PlannedChange, planWrites } from './plan.ts'
export { createSimulator, type Simulator, type SimulatorOptions } from './simulator.ts'
export type { PodTimes } from './standins/index.ts'
export type { HookAnswer, HookCall, Transport } from './webhook.ts'
