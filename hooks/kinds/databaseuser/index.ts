// DatabaseUser: a user of a Database, with what it may do and the Secret to log in with.
import { composite } from '../../sdk/definition.ts'
import { Pod } from '../../sdk/resources.ts'
import { Databases, relatedTo } from '../database/reference.ts'
import { children } from './children.ts'
import { finalize } from './finalize.ts'
import { selectorLabels } from './names.ts'
import { columns, rules, spec, status } from './schema.ts'
import { sync } from './sync.ts'

export const databaseUser = composite({
  group: 'example.com',
  kind: 'DatabaseUser',
  plural: 'databaseusers',
  shortNames: ['dbuser'],
  categories: ['all'],
  description:
    'A user of a Database: what it may do in which databases, its password or a login that is replaced ever again, and the Secret to connect with.',
  versions: { v1: { spec, status, rules, columns } },
  storage: 'v1',
  children,
  // Logins are replaced, and the engine is looked at, by time.
  clock: true,
  sync,
  finalize,
  relatedTypes: [Databases, Pod],
  related: (user) => relatedTo(user.spec.databaseRef, selectorLabels(user)),
})
