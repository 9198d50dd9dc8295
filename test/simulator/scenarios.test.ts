// Every scenario on the simulator, but those of rollouts: rollout.test.ts has them, so that two cores share the work. At
// the end all that was logged meanwhile.
import t from 'tap'
import { definitions } from '../../hooks/kinds/index.ts'
import { stringsOf } from '../../hooks/simulator/json.ts'
import { scenariosFor } from '../scenarios/index.ts'
import { rolloutScenarios } from '../scenarios/rollout.ts'
import { createSimulatedCluster } from './cluster.ts'
import { manifestsOf, resyncedOften, serviceOf } from './service.ts'

const lines: string[] = []
const hook = serviceOf(definitions, (line) => void lines.push(line))
const cluster = await createSimulatedCluster({ hook, manifests: manifestsOf(resyncedOften(definitions)) })
t.teardown(cluster.close)

const { carried, left } = scenariosFor(cluster)
const others = carried.filter((scenario) => !rolloutScenarios.includes(scenario))
for (const { title, run } of others) t.test(title, () => run(cluster))
for (const title of left) t.test(title, { skip: 'beyond this tier' }, () => {})

t.test('no password that any Secret ever held is in the log of the service', async (t) => {
  const passwords = new Set<string>()
  for (const { after } of cluster.simulator.writes) {
    if (after?.kind !== 'Secret') continue
    for (const [key, value] of Object.entries(stringsOf(after.data))) if (/password|uri/.test(key)) passwords.add(value)
  }
  t.ok(passwords.size > 100, `${passwords.size} values`)
  t.ok(lines.length > 1000, `${lines.length} lines`)
  const log = lines.join('')
  t.match(log, '"decision":"changed"')
  for (const value of passwords) {
    const plain = Buffer.from(value, 'base64').toString()
    if (log.includes(plain) || log.includes(value)) t.fail(`${plain.slice(0, 4)}… was logged`)
  }
})
