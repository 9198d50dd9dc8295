// The registry of decorators, a line each: see hooks/kinds/index.ts.
import type { Definition } from '../sdk/definition.ts'
import { tenancy } from './tenancy/index.ts'

export const decorators: readonly Definition[] = [tenancy]
