import type { EngineName } from '../../database/schema.ts'
import { mongodb } from './mongodb.ts'
import { mysql } from './mysql.ts'
import { postgresql } from './postgresql.ts'
import type { Scripts } from './script.ts'

export const scripts: Readonly<Record<EngineName, Scripts>> = { postgresql, mysql, mongodb }
