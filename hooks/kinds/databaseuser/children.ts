// The kinds of object that a DatabaseUser consists of.
import { Job, NetworkPolicy, Secret, ServiceAccount } from '../../sdk/resources.ts'

export const children = [Job, NetworkPolicy, Secret, ServiceAccount] as const

export type DatabaseUserChildren = (typeof children)[number]
