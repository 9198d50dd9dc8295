// How many pods of each revision there are, and how to get there without falling below what must serve or rising
// above what may exist. Each answer is one move; what it brings about is observed before the next.
import type { RolloutInput, RolloutSpec, Workload } from './types.ts'

/** Pods of the stable Deployment and of the canary. */
export interface Split {
  stable: number
  canary: number
}

/**
 * The split that gives the canary `weight` percent of the requests.
 *
 * Where the number of pods divides the requests, the two share `replicas`, and the canary has the count whose share is
 * nearest, but at least one and not all: a single replica has one canary beside it. Where a route divides them, the
 * stable Deployment keeps all of its pods, so that going back needs none. So it does under an autoscaler, which owns its
 * count; the canary then comes on top, up to as many again.
 */
export function splitFor(weight: number, input: RolloutInput): Split {
  const { spec, autoscaled, replicas } = input
  if (spec.strategy === 'blueGreen') return { stable: replicas, canary: replicas }
  if (weight === 0) return { stable: replicas, canary: 0 }
  if (spec.traffic === 'gateway')
    return { stable: replicas, canary: clamp(Math.ceil(share(replicas, weight)), 1, replicas) }
  if (autoscaled) {
    return { stable: replicas, canary: clamp(Math.round((replicas * weight) / (100 - weight)), 1, replicas) }
  }
  if (replicas === 1) return { stable: 1, canary: 1 }
  const canary = clamp(Math.round(share(replicas, weight)), 1, replicas - 1)
  return { stable: replicas - canary, canary }
}

/**
 * The next move from what is observed towards `target`:
 * - as many pods serve as do now, or as must: replicas − maxUnavailable;
 * - there are at most replicas + maxSurge pods, unless the target itself has more.
 */
export function moveTowards(target: Split, input: RolloutInput, stable: Workload, canary: Workload | undefined): Split {
  const { replicas } = input
  const needed = replicas - resolve(input.spec.maxUnavailable, replicas, Math.floor)
  const limit = Math.max(replicas + surge(input.spec, replicas), target.stable + target.canary)
  const there = canary ?? { wanted: 0, pods: 0, available: 0 }
  const nextStable = input.autoscaled
    ? replicas
    : stable.wanted <= target.stable
      ? clamp(limit - Math.max(there.wanted, there.pods), stable.wanted, target.stable)
      : clamp(needed - Math.min(there.available, target.canary), target.stable, stable.wanted)
  const nextCanary =
    there.wanted <= target.canary
      ? clamp(limit - Math.max(stable.wanted, stable.pods), there.wanted, target.canary)
      : clamp(Math.min(there.available, needed - Math.min(stable.available, nextStable)), target.canary, there.wanted)
  return { stable: nextStable, canary: nextCanary }
}

/** Pods that may exist beyond `replicas`: one at least, or a single replica could never be compared with anything. */
function surge(spec: RolloutSpec, replicas: number): number {
  return Math.max(1, resolve(spec.maxSurge, replicas, Math.ceil))
}

/** A count, or a share of `replicas`. */
export function resolve(value: number | string, replicas: number, round: (amount: number) => number): number {
  return typeof value === 'number' ? value : round(share(replicas, Number.parseInt(value, 10)))
}

function share(replicas: number, percent: number): number {
  return (replicas * percent) / 100
}

/** `value`, but not outside of its bounds; the lower one wins where they cross. */
function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(value, most))
}
