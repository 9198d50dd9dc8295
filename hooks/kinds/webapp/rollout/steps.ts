// Where the weights of a rollout go.
import { analysisOf } from './checks.ts'
import type { RolloutInput, Step } from './types.ts'

/** The weights, with the time that each is watched for. blueGreen has two: nothing, and all. */
export function stepsOf(input: RolloutInput): readonly Step[] {
  const { spec } = input
  if (spec.strategy !== 'blueGreen') return spec.steps ?? defaultSteps
  return [
    { weight: 0, pauseSeconds: analysisOf(input).intervalSeconds },
    { weight: 100, pauseSeconds: spec.scaleDownDelaySeconds },
  ]
}

/** The step behind which a person has to agree: the last one before all requests go to the new revision. */
export function gateOf(input: RolloutInput): number {
  return input.spec.strategy === 'blueGreen' ? 0 : stepsOf(input).length - 1
}

/** A canary whose spec names no steps. */
const defaultSteps: readonly Step[] = [10, 25, 50].map((weight) => ({ weight, pauseSeconds: 60 }))
