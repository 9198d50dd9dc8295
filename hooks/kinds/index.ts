// The registry: every kind of the suite, a line each. Everything generated follows from this list.
import { decorators } from '../decorators/index.ts'
import type { Definition } from '../sdk/definition.ts'
import { database } from './database/index.ts'

export const definitions: readonly Definition[] = [database, ...decorators]
