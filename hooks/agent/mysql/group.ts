// What the hooks tell the agent of its Database, in a file that they change while it runs.
import { readFileSync } from 'node:fs'
import * as z from 'zod'

const schema = z.object({
  /** Name of the Database: pods are called after it. */
  name: z.string().min(1),
  /** Below which the pods have their host names. */
  domain: z.string().min(1),
  /** UUID of the group. */
  group: z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
  replicas: z.int().min(1).max(9),
  /** Whether the Database was ready at some time. */
  initialized: z.boolean(),
  /** Ordinal of the member whose data a person chose to go on with. */
  forced: z.int().min(0).optional(),
})

export type Group = z.output<typeof schema>

/** Reads it; an Error says what is wrong with the file. */
export function readGroup(file: string): Group {
  const result = schema.safeParse(JSON.parse(readFileSync(file, 'utf8')))
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new Error(`${file}: ${issue?.path.join('.')}: ${issue?.message}`)
}

/** Of a pod's name, or of a host name that begins with it: the number at its end. */
export function ordinalOf(name: string): number {
  const [pod = ''] = name.split('.')
  return Number(pod.slice(pod.lastIndexOf('-') + 1))
}

export function hostOf({ name, domain }: Group, ordinal: number): string {
  return `${name}-${ordinal}.${domain}`
}
