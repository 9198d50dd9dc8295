// Every scenario on the simulator.
import t from 'tap'
import { definitions } from '../../hooks/kinds/index.ts'
import { scenariosFor } from '../scenarios/index.ts'
import { createSimulatedCluster } from './cluster.ts'
import { manifestsOf, serviceOf } from './service.ts'

const cluster = await createSimulatedCluster({ hook: serviceOf(definitions), manifests: manifestsOf(definitions) })
t.teardown(cluster.close)

const { carried, left } = scenariosFor(cluster)
for (const { title, run } of carried) t.test(title, () => run(cluster))
for (const title of left) t.test(title, { skip: 'beyond this tier' }, () => {})
