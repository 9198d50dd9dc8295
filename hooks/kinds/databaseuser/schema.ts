// What a DatabaseUser is to those who ask for one: every field, its default, and what is refused.
import * as z from 'zod'
import { objectNameSchema } from '../../sdk/containers.ts'
import type { Column, Parent } from '../../sdk/definition.ts'
import { dnsLabelPattern } from '../../sdk/names.ts'
import { periodPattern } from '../../sdk/schedule.ts'
import { immutable, listMap, rule, type ValidationRule } from '../../sdk/schema.ts'
import { databaseRefSchema } from '../database/reference.ts'
import { reservedUsers, unreserved } from '../database/schema.ts'

/** A resource of this kind, its spec checked and defaulted. */
export type DatabaseUser = Parent<z.output<typeof spec>, DatabaseUserStatus>

export type DatabaseUserStatus = z.output<typeof status>
export type Grant = NonNullable<DatabaseUser['spec']['databases']>[number]

/** The longest name: Jobs are named after it, and a pod's name has to be a label. */
export const maxNameLength = 40

const period = (what: string) =>
  z.string().max(8).regex(periodPattern, 'must be a period such as 12h, 7d or 4w').describe(what)

const databases = listMap(
  z.object({
    name: z
      .string()
      .min(1)
      .max(63)
      .regex(/^[A-Za-z_][A-Za-z0-9_-]*$/, 'must be the name of a database: letters, digits, _ and -')
      .describe('Name of the database in the engine.'),
    access: z
      .enum(['read', 'write', 'admin'])
      .default('write')
      .describe('read: all data; write: changes it, too; admin: changes tables as well, like the owner.'),
    privileges: z
      .array(
        z
          .string()
          .min(1)
          .max(32)
          .regex(/^[A-Za-z]+( [A-Za-z]+)*$/, 'must be a privilege in the words of the engine, such as SELECT'),
      )
      .min(1)
      .max(32)
      .optional()
      .meta({ 'x-kubernetes-list-type': 'set' })
      .describe(
        'Privileges in the words of the engine instead of access: of tables for postgresql (SELECT, INSERT …), of the database for mysql, built-in roles for mongodb (read, readWrite …).',
      ),
  }),
  ['name'],
  { least: 1, most: 32 },
)

const rotation = z.object({
  interval: period('How often a new login replaces the one before; never when absent.').optional(),
  retention: period('For how long the login before still works.').default('7d'),
  counter: z
    .int()
    .min(0)
    .max(1000000)
    .default(0)
    .describe(
      'Counter: each change brings a new login at once where there is an interval, and a new password where there is none.',
    ),
})

export const spec = rule(
  z.object({
    databaseRef: databaseRefSchema,
    username: immutable(unreserved(20, reservedUsers), 'the user name').describe(
      'Name of the user in the engine: at most 20 lower case letters, digits and _. It cannot be changed.',
    ),
    passwordSecret: z
      .object({
        name: objectNameSchema.describe('Name of the Secret, in the same namespace.'),
        key: z.string().min(1).max(253).default('password').describe('Key that holds the password.'),
      })
      .optional()
      .describe('A password of your own, instead of a derived one. A change of it is taken over within the interval.'),
    databases: databases
      .optional()
      .describe("What the user may do in which databases; write access to the Database's own one when absent."),
    connectionLimit: z
      .int()
      .min(1)
      .max(10000)
      .optional()
      .describe('Most connections at a time of each login; not for mongodb. No limit when absent.'),
    rotation: rotation.prefault({}).describe('New logins instead of old ones.'),
    interval: period('How often the engine is looked at, and what was changed by hand put right.').default('1h'),
    deletionPolicy: z
      .enum(['Retain', 'Delete'])
      .default('Retain')
      .describe('Whether the user is dropped from the engine when the resource is deleted. What it owns stays.'),
  }),
  {
    rule: '!has(self.passwordSecret) || !has(self.rotation) || !has(self.rotation.interval)',
    message: 'a password of your own cannot be rotated: leave passwordSecret or rotation.interval out',
    fieldPath: '.rotation.interval',
  },
  (value) => value.passwordSecret === undefined || value.rotation.interval === undefined,
)

const moment = (what: string) => z.string().max(32).describe(what)

const login = z.object({
  username: z.string().max(63).describe('Name in the engine.'),
  keyId: z.string().max(253).optional().describe('Key of the suite that the password is derived from.'),
  counter: z.int().min(0).describe('Rotation counter that the password belongs to.'),
  since: moment('When it was asked for.'),
  expires: moment('When it will be dropped; absent for the one in force.').optional(),
})

export const status = z.object({
  phase: z.enum(['Pending', 'Applying', 'Ready', 'Failed', 'Deleting']).describe('Where the user is, in a word.'),
  username: z.string().max(63).optional().describe('Login that is in force.'),
  secretName: z.string().max(253).optional().describe('Secret to log in with.'),
  applied: z
    .object({
      hash: z.string().max(64).describe('Hash of all that was applied.'),
      generation: z.int().min(0).optional().describe('metadata.generation that it was of.'),
      job: z.string().max(253).describe('Job that did.'),
      time: moment('When.'),
    })
    .optional()
    .describe('What was last applied.'),
  drift: z
    .object({
      time: moment('When.'),
      changes: z.int().min(0).describe('Statements that it took.'),
    })
    .optional()
    .describe('When something that was changed by hand was last put right.'),
  failure: z
    .object({
      hash: z.string().max(64).describe('Hash of what could not be applied.'),
      attempts: z.int().min(1).describe('Attempts so far.'),
      time: moment('When the last one failed.'),
      message: z.string().max(600).describe('Why.'),
    })
    .optional()
    .describe('Why the last attempt failed; absent once one has succeeded.'),
  logins: z.array(login).max(64).optional().describe('Logins there are.').meta({ 'x-kubernetes-list-type': 'atomic' }),
})

export const rules: readonly ValidationRule[] = [
  {
    rule: `self.metadata.name.size() <= ${maxNameLength} && self.metadata.name.matches('${dnsLabelPattern.source}')`,
    message: `metadata.name must be at most ${maxNameLength} lower case letters, digits and -, and start with a letter: Jobs are named after it`,
  },
]

export const columns: readonly Column[] = [
  { name: 'Database', type: 'string', jsonPath: '.spec.databaseRef.name', description: 'The Database.' },
  { name: 'User', type: 'string', jsonPath: '.status.username', description: 'Login that is in force.' },
  { name: 'Secret', type: 'string', jsonPath: '.status.secretName', description: 'Secret to log in with.' },
  { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'Where the user is, in a word.' },
  { name: 'Applied', type: 'date', jsonPath: '.status.applied.time', description: 'When it was last applied.' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Since when it exists.' },
]
