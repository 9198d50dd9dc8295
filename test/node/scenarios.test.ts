// The scenarios of Databases, told with engines that really run.
import t from 'tap'
import { databaseScenarios, scenariosFor } from '../scenarios/index.ts'
import { obstacle } from './requirements.ts'
import { suiteOnNodes } from './suite.ts'

const reason = obstacle()
if (reason !== undefined) {
  t.test('scenarios in real pods', { skip: reason }, async () => {})
} else {
  const cluster = await suiteOnNodes(t)
  const { carried, left } = scenariosFor(cluster, databaseScenarios)
  for (const { title, seconds = 120, run } of carried) {
    // Real engines start slower than played ones.
    t.test(title, { timeout: seconds * 3000 }, async () => {
      const namespaces: string[] = []
      const namespace = async (hint: string) => {
        const name = await cluster.namespace(hint)
        namespaces.push(name)
        return name
      }
      try {
        await run({ ...cluster, namespace })
      } finally {
        // What one scenario leaves running would take the next one's CPU and memory.
        for (const name of namespaces) await cluster.kubectl('delete', 'namespace', name, '--timeout=120s')
      }
    })
  }
  for (const title of left) t.test(title, { skip: 'another tier carries it' }, async () => {})
}
