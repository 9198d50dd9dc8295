// How much a tenant's namespace may use: a plan by name, or numbers of one's own.
import * as z from 'zod'
import { describeProblems, parse } from '../../sdk/schema.ts'
import { annotations } from './names.ts'

/** Memory and storage are in GiB, the CPU is in cores. */
export type Plan = z.output<typeof numbers>

/** Every plan by its name. */
export const plans = {
  small: { cpu: 4, memoryGi: 8, storageGi: 50, pods: 20, services: 10, loadBalancers: 0, claims: 10 },
  medium: { cpu: 16, memoryGi: 32, storageGi: 500, pods: 100, services: 50, loadBalancers: 2, claims: 50 },
  large: { cpu: 64, memoryGi: 128, storageGi: 2000, pods: 500, services: 200, loadBalancers: 10, claims: 200 },
} as const

type PlanName = keyof typeof plans

const planNames = Object.keys(plans) as PlanName[]
const amount = z.number().min(0).max(1_000_000)
const count = z.int().min(0).max(1_000_000)

const numbers = z.strictObject({
  cpu: amount,
  memoryGi: amount,
  storageGi: amount,
  pods: count,
  services: count,
  loadBalancers: count,
  claims: count,
})

const custom = numbers.partial().extend({ base: z.enum(planNames).default('small') })

/**
 * Reads the annotation: `medium`, or `{"base": "medium", "cpu": 20}`, where what is not given is the base's (small's).
 * None is small. Answers a sentence when it is neither.
 */
export function planOf(text: string | undefined): Plan | string {
  if (text === undefined) return plans.small
  if (isPlanName(text)) return plans[text]
  const wanted = `${annotations.plan}: must be ${planNames.join(', ')} or JSON such as {"base": "medium", "cpu": 20}`
  if (!text.trimStart().startsWith('{')) return `${wanted}, but is "${text.slice(0, 100)}"`
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return `${wanted}, but is no valid JSON`
  }
  const { value: given, problems } = parse(custom, value, annotations.plan)
  if (problems !== undefined) return describeProblems(problems)
  const { base, ...own } = given
  return { ...plans[base], ...own }
}

function isPlanName(text: string): text is PlanName {
  return Object.hasOwn(plans, text)
}
