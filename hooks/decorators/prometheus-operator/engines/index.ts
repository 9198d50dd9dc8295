import type { EngineName } from '../../../kinds/database/schema.ts'
import type { EngineMetrics } from './metrics.ts'
import { mongodb } from './mongodb.ts'
import { mysql } from './mysql.ts'
import { postgresql } from './postgresql.ts'

export const engineMetrics: Record<EngineName, EngineMetrics> = { postgresql, mysql, mongodb }
