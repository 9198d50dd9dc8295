import t from 'tap'
import { plan } from '../../hooks/cli/plan.ts'
import { render } from '../../hooks/cli/render.ts'
import { simulate } from '../../hooks/cli/simulate.ts'
import { decorator } from '../../hooks/sdk/definition.ts'
import { ConfigMap, type Service, Service as ServiceType } from '../../hooks/sdk/resources.ts'
import { recordingShell } from './shell.ts'

/** A note beside every Service that wants one. */
const notes = decorator({
  name: 'service-notes',
  description: 'A ConfigMap beside each Service that is labelled for it.',
  resources: [{ type: ServiceType, labelSelector: { matchLabels: { notes: 'wanted' } } }],
  attachments: [ConfigMap],
  sync: ({ metadata: { name }, spec }: Service) => ({ attachments: [noteOf(name, spec?.ports?.length ?? 0)] }),
})

function noteOf(name: string, ports: number): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `${name}-note` }, data: { ports: String(ports) } }
}

const service = (labels: string) => `apiVersion: v1
kind: Service
metadata: {name: web, namespace: default, labels: ${labels}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80}]
`

const shellWith = (stdin: string) => ({ ...recordingShell(stdin), definitions: [notes] })

t.test('what a decorator attaches is rendered, planned and simulated', async (t) => {
  const shells = [1, 2, 3].map(() => shellWith(service('{notes: wanted}')))
  const [rendering, planning, simulating] = shells
  if (rendering === undefined || planning === undefined || simulating === undefined) throw new Error('three shells')
  t.equal(await render(['-f', '-'], rendering), 0)
  t.match(rendering.output(), 'name: web-note\n  namespace: default')
  t.equal(await plan(['-f', '-', '--observed', '/dev/null'], planning), 0, planning.errors())
  t.match(planning.output(), '+ ConfigMap/web-note is created')
  t.equal(await simulate(['-f', '-', '--for', '1m'], simulating), 0)
  t.match(simulating.output(), '+ ConfigMap/web-note is created')
})

t.test('an object that its selector leaves out is none of its', async (t) => {
  const shell = shellWith(service('{}'))
  t.equal(await render(['-f', '-'], shell), 1)
  t.match(shell.errors(), 'nothing in these files is of a kind that this suite answers for: Service (v1)')
})
