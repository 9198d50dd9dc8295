import t from 'tap'
import { definitions } from '../../hooks/kinds/index.ts'
import { databaseKindScenarios } from '../scenarios/databasekinds.ts'
import { createSimulatedCluster } from './cluster.ts'
import { manifestsOf, serviceOf } from './service.ts'

t.setTimeout(180_000)
const cluster = await createSimulatedCluster({
  hook: serviceOf(definitions, () => {}),
  manifests: manifestsOf(definitions),
})
t.teardown(cluster.close)
for (const { title, run } of databaseKindScenarios)
  if (title.includes(process.env.ONLY ?? '')) t.test(title, () => run(cluster))
