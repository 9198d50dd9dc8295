import type { Database, EngineName } from '../schema.ts'
import type { Engine } from './engine.ts'
import { mongodb } from './mongodb.ts'
import { mysql } from './mysql.ts'
import { postgresql } from './postgresql.ts'

/** The engines by name. */
export const engines: Readonly<Record<EngineName, Engine>> = { postgresql, mysql, mongodb }

/** Every engine. */
export const allEngines: readonly Engine[] = Object.values(engines)

/** The facts of a Database's engine. */
export function engineOf(db: Database): Engine {
  return engines[db.spec.engine]
}
