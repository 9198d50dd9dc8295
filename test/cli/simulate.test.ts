import { readdirSync } from 'node:fs'
import t from 'tap'
import { replay } from '../../hooks/cli/replay.ts'
import { simulate } from '../../hooks/cli/simulate.ts'
import { recordingShell } from './shell.ts'

const good = `apiVersion: test.example.com/v1
kind: Cache
metadata:
  name: sessions
spec:
  engine: redis
`

const simulated = async (args: readonly string[], stdin = good) => {
  const shell = recordingShell(stdin)
  const code = await simulate(['-f', '-', ...args], shell)
  return { code, output: shell.output(), errors: shell.errors() }
}

t.test('a life from apply to deletion is told in order', async (t) => {
  const { code, output } = await simulated(['--at', '5m=delete', '--at', '2m=scale:3', '--for', '6m'])
  t.equal(code, 0)
  const moments = [
    '0:00 • kubectl apply Cache default/sessions',
    '0:00 + StatefulSet/sessions is created',
    '● Cache/sessions Creating: 0 of 1 ready',
    '• Pod/sessions-0 is ready',
    '● Cache/sessions Running: 1 of 1 ready',
    '2:00 • kubectl scale --replicas=3',
    '2:00 ~ StatefulSet/sessions changes: spec.replicas: 1 → 3',
    '● Cache/sessions Running: 3 of 3 ready',
    '5:00 • kubectl delete',
    '5:00 - StatefulSet/sessions goes with its owner',
    'Cache default/sessions is gone',
  ]
  let from = 0
  for (const moment of moments) {
    const found = output.indexOf(moment, from)
    t.ok(found >= 0, moment)
    from = found
  }
})

t.test('failures are injected, and what never gets ready is a failure', async (t) => {
  const { code, output } = await simulated(['--fail', 'pod=crash', '--for', '3m'])
  t.equal(code, 1)
  t.match(output, '✗ Pod/sessions-0 CrashLoopBackOff')
  t.match(output, 'Cache/sessions Creating: 0 of 1 ready')
  t.match(output, '└─ PersistentVolumeClaim/data-sessions-0 1Gi, Bound')
})

t.test('a schedule runs when its hour comes, and one workload alone can fail', async (t) => {
  const { code, output } = await simulated(
    ['--for', '3h', '--fail', 'Job/sessions-snapshot*=fail'],
    `${good}  snapshots: {enabled: true}\n`,
  )
  t.equal(code, 0, 'the cache itself is ready')
  t.match(output, /2:00:00 \+ Job\/sessions-snapshot-\d+ is started/)
  t.match(output, /✗ Pod\/sessions-snapshot-\S+ fails/)
  t.match(output, /✗ Job\/sessions-snapshot-\d+ fails/)
  const well = await simulated(['--for', '3h'], `${good}  snapshots: {enabled: true}\n`)
  t.match(well.output, /• Job\/sessions-snapshot-\d+ succeeds/)
  t.notMatch(well.output, '✗')
})

t.test('machines get the timeline and the end', async (t) => {
  const { code, output } = await simulated(['-o', 'json', '--for', '1m'])
  t.equal(code, 0)
  const { timeline, resources, ready } = JSON.parse(output)
  t.equal(ready, true)
  t.match(timeline[0], { at: 0, subject: 'kubectl apply Cache default/sessions' })
  t.match(resources, [{ kind: 'Cache', exists: true, status: { phase: 'Running' } }])
  t.match(
    resources[0].children.find(({ kind }: { kind: string }) => kind === 'StatefulSet'),
    { name: 'sessions', state: '1/1 ready' },
  )
})

t.test('a later file is applied, and refused with its line', async (t) => {
  const dir = t.testdir({
    'newer.yaml': `${good}  version: "8.2"\n`,
    'other.yaml': good.replace('redis', 'valkey'),
    'wrong.yaml': `${good}  replicas: 9\n`,
  })
  const newer = await simulated(['--at', `1m=apply:${dir}/newer.yaml`, '--for', '3m'])
  t.equal(newer.code, 0)
  t.match(newer.output, 'spec.template.spec.containers[cache].image: redis:8.0 → redis:8.2')
  t.match(newer.output, /1:01 - Pod\/sessions-0 is gone\n.*\n +1:03 • Pod\/sessions-0 is ready/)
  const other = await simulated(['--at', `1m=apply:${dir}/other.yaml`])
  t.equal(other.code, 1)
  t.match(other.errors, /other\.yaml:6:11: .*the engine cannot be changed/)
  const wrong = await simulated(['--at', `1m=apply:${dir}/wrong.yaml`])
  t.equal(wrong.code, 1)
  t.match(wrong.errors, /wrong\.yaml:7:13: error: spec.replicas: 9: must be at most 5/)
})

t.test('what the hooks were asked can be recorded, and replayed', async (t) => {
  const dir = t.testdir()
  t.equal((await simulated(['--record', `${dir}/hooks`, '--at', '2m=scale:2', '--for', '4m'])).code, 0)
  const names = readdirSync(`${dir}/hooks`).sort()
  t.equal(names[0], '001-cache-customize-sessions.json')
  t.ok(names.length >= 4, `${names.length} different requests`)
  const shell = recordingShell()
  t.equal(await replay([`${dir}/hooks`], shell), 0, shell.output())
  t.match(shell.output(), `Replay: ${names.length} as recorded`)
})

t.test('what goes with a resource is there before it', async (t) => {
  const others = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sessions-config}\ndata: {ours: "no"}\n---\n'
  const { code, output } = await simulated(['--for', '1m'], others + good)
  t.equal(code, 1)
  t.match(output, 'ConfigMap/sessions-config cannot be created: an object of that name exists')
  const unknown = await simulated([], `apiVersion: a.example.com/v1\nkind: Thing\nmetadata: {name: x}\n---\n${good}`)
  t.match(unknown, { code: 1, errors: /no matches for kind "Thing" in version "a.example.com\/v1"/ })
})

t.test('mistakes in the call are answered with what was meant', async (t) => {
  t.match(await simulated(['--for', 'soon']), { code: 2, errors: /--for takes a length of time such as 90s/ })
  t.match(await simulated(['--fail', 'pod=crsh']), { code: 2, errors: /did you mean "crash"/ })
  t.match(await simulated(['--fail', 'Statefulset/x=crash']), { code: 2, errors: /did you mean "StatefulSet"/ })
  t.match(await simulated(['--at', '1m=explode']), { code: 2, errors: /apply:FILE, scale:N or delete/ })
  t.match(await simulated([], `${good}  replica: 2\n`), { code: 1, errors: /7:3: .*unknown field.*"replicas"/ })
})
