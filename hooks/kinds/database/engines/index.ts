import type { Database, EngineName } from '../schema.ts'
import type { Engine } from './engine.ts'
import { mongodb } from './mongodb.ts'
import { mysql } from './mysql.ts'
import { postgresql } from './postgresql.ts'

<<<<<<< HEAD
// Looked up when it is asked for: what engines are made of asks for their facts in turn.
function engines(): Readonly<Record<EngineName, Engine>> {
  return { postgresql, mysql, mongodb }
}
=======
/** The engines by name. */
export const engines: Readonly<Record<EngineName, Engine>> = { postgresql, mysql, mongodb }
>>>>>>> main

/** Every engine. */
export function allEngines(): readonly Engine[] {
  return Object.values(engines())
}

/** The facts of a Database's engine. */
export function engineOf(db: Database): Engine {
  return engines()[db.spec.engine]
}
