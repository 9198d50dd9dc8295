import type { Database, EngineName } from '../schema.ts'
import type { Engine } from './engine.ts'
import { mongodb } from './mongodb.ts'
import { mysql } from './mysql.ts'
import { postgresql } from './postgresql.ts'

/** The engines by name; looked up when it is asked for, because what they are made of asks for their facts in turn. */
export function engines(): Readonly<Record<EngineName, Engine>> {
  return { postgresql, mysql, mongodb }
}

/** Every engine. */
export function allEngines(): readonly Engine[] {
  return Object.values(engines())
}

/** The facts of a Database's engine. */
export function engineOf(db: Database): Engine {
  return engines()[db.spec.engine]
}
