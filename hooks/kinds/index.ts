// The registry: every kind of the suite, a line each. Everything generated follows from this list.
import { decorators } from '../decorators/index.ts'
import { tenancy } from '../decorators/tenancy/index.ts'
import type { Definition } from '../sdk/definition.ts'
import { database } from './database/index.ts'
import { databaseBackup } from './databasebackup/index.ts'
import { databaseMonitor } from './databasemonitor/index.ts'
import { databaseUser } from './databaseuser/index.ts'
import { webapp } from './webapp/index.ts'

/** What any cluster can have. */
export const definitions: readonly Definition[] = [
  database,
  databaseBackup,
  databaseMonitor,
  databaseUser,
  webapp,
  tenancy,
]

/** That, and what needs an API which not every cluster has. */
export const suite: readonly Definition[] = [...definitions, ...decorators]
