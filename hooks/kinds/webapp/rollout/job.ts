// The Job <name>-analysis-<id>: asks Prometheus, since the hook itself asks nobody (docs/decisions/0016).
import type { Settings } from '../../../sdk/definition.ts'
import { suiteImage } from '../../../sdk/images.ts'
import type { Job } from '../../../sdk/resources.ts'
import { labels, names } from '../names.ts'
import type { WebApp } from '../schema.ts'
import type { Check } from './types.ts'

/** Which check of its step a Job is. */
const numberLabel = 'platform.example.com/check'

/** The exit code of `analyze` for an answer that is not as it should be; anything else may be tried again. */
const badAnswer = 1

/** The Job of a check. Its name follows from all that it asks about, so that its template never has to change. */
export function analysisJob(
  app: WebApp,
  settings: Settings,
  revision: string,
  { id, number }: { id: string; number: number },
): Job {
  const { analysis } = app.spec.rollout
  const all = { ...labels(app, 'analysis'), [numberLabel]: String(number), 'platform.example.com/revision': revision }
  const imagePullSecrets = app.spec.imagePullSecrets ?? []
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: names(app).analysis(id), labels: all },
    spec: {
      backoffLimit: 2,
      // All three attempts with the pauses between them; a Prometheus that answers takes no second.
      activeDeadlineSeconds: 120,
      podFailurePolicy: {
        rules: [{ action: 'FailJob', onExitCodes: { containerName, operator: 'In', values: [badAnswer] } }],
      },
      template: {
        metadata: { labels: all },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          serviceAccountName: names(app).serviceAccount,
          ...(imagePullSecrets.length > 0 && { imagePullSecrets }),
          // Restricted, whatever the application needs: https://kubernetes.io/docs/concepts/security/pod-security-standards/
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 65532,
            runAsGroup: 65532,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [
            {
              name: containerName,
              image: suiteImage(settings),
              terminationMessagePolicy: 'FallbackToLogsOnError',
              args: ['analyze', ...(analysis?.metrics ?? []).flatMap((metric) => ['--metric', JSON.stringify(metric)])],
              resources: {
                requests: { cpu: '10m', memory: '64Mi', 'ephemeral-storage': '16Mi' },
                limits: { cpu: '500m', memory: '128Mi', 'ephemeral-storage': '64Mi' },
              },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
            },
          ],
        },
      },
    },
  }
}

const containerName = 'analyze'

/** What a Job tells of its check; undefined for a Job that is none. */
export function checkOf(app: WebApp, job: Job): Check | undefined {
  const number = Number(job.metadata.labels?.[numberLabel])
  const prefix = names(app).analysis('')
  if (!Number.isInteger(number) || !job.metadata.name.startsWith(prefix)) return undefined
  const conditions = job.status?.conditions ?? []
  const holds = (type: string) => conditions.find((one) => one.type === type && one.status === 'True')
  const failure = holds('Failed')
  const id = job.metadata.name.slice(prefix.length)
  if (failure !== undefined) {
    const cause =
      failure.reason === 'PodFailurePolicy'
        ? 'a query was not answered as it should be'
        : (failure.message ?? 'it failed')
    return { id, number, outcome: 'failed', message: `${cause}: see the log of Job ${job.metadata.name}` }
  }
  return { id, number, outcome: holds('Complete') === undefined ? 'running' : 'passed' }
}
