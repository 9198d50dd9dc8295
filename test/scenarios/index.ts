// Every scenario, once. Each tier runs those that it can carry.
import { changeScenarios } from './change.ts'
import type { Cluster, Scenario } from './cluster.ts'
import { createScenarios } from './create.ts'
import { databaseKindScenarios } from './databasekinds.ts'
import { faultScenarios } from './faults.ts'
import { refuseScenarios } from './refuse.ts'
import { removeScenarios } from './remove.ts'
import { rolloutScenarios } from './rollout.ts'
import { tenancyScenarios } from './tenancy.ts'
import { webappScenarios } from './webapp.ts'

const scenarios: readonly Scenario[] = [
  ...createScenarios,
  ...changeScenarios,
  ...refuseScenarios,
  ...removeScenarios,
  ...faultScenarios,
  ...tenancyScenarios,
  ...webappScenarios,
  ...databaseKindScenarios,
  ...rolloutScenarios,
]

/** The scenarios that a cluster can carry, and the titles of those that it cannot. */
export function scenariosFor(cluster: Cluster): { carried: Scenario[]; left: string[] } {
  const can = (scenario: Scenario) => (scenario.needs ?? []).every((need) => cluster.capabilities[need])
  return {
    carried: scenarios.filter(can),
    left: scenarios.filter((scenario) => !can(scenario)).map(({ title }) => title),
  }
}
