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

/** Those of Databases alone: the one kind whose images a tier with containers has. */
export const databaseScenarios: readonly Scenario[] = [
  ...createScenarios,
  ...changeScenarios,
  ...refuseScenarios,
  ...removeScenarios,
  ...faultScenarios,
]

const scenarios: readonly Scenario[] = [
  ...databaseScenarios,
  ...tenancyScenarios,
  ...webappScenarios,
  ...databaseKindScenarios,
  ...rolloutScenarios,
]

/** The scenarios that a cluster can carry, and the titles of those that it cannot. */
export function scenariosFor(cluster: Cluster, from = scenarios): { carried: Scenario[]; left: string[] } {
  const can = ({ needs = [], lacks = [] }: Scenario) =>
    needs.every((need) => cluster.capabilities[need]) && !lacks.some((lack) => cluster.capabilities[lack])
  return {
    carried: from.filter(can),
    left: from.filter((scenario) => !can(scenario)).map(({ title }) => title),
  }
}
