// Every scenario on the simulator, but those of rollouts: rollout.test.ts has them, so that two cores share the work.
import t from 'tap'
import { definitions } from '../../hooks/kinds/index.ts'
import { scenariosFor } from '../scenarios/index.ts'
import { rolloutScenarios } from '../scenarios/rollout.ts'
import { createSimulatedCluster } from './cluster.ts'
import { manifestsOf, serviceOf } from './service.ts'

const cluster = await createSimulatedCluster({ hook: serviceOf(definitions), manifests: manifestsOf(definitions) })
t.teardown(cluster.close)

const { carried, left } = scenariosFor(cluster)
const others = carried.filter((scenario) => !rolloutScenarios.includes(scenario))
for (const { title, run } of others) t.test(title, () => run(cluster))
for (const title of left) t.test(title, { skip: 'beyond this tier' }, () => {})
