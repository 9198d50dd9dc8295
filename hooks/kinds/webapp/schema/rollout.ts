// How a new revision of a WebApp comes about, and how far it has come.
import * as z from 'zod'
import { intOrString, listMap, rule } from '../../../sdk/schema.ts'
import { phases, reasons } from '../rollout/types.ts'

const countOrShare = rule(
  intOrString(),
  {
    rule: "type(self) == int ? self >= 0 : self.matches('^(100|[1-9]?[0-9])%$')",
    message: 'must be a count or a share such as 25%',
  },
  (value) => (typeof value === 'number' ? value >= 0 : /^(100|[1-9]?[0-9])%$/.test(value)),
)

const metric = rule(
  z.object({
    name: z
      .string()
      .min(1)
      .max(63)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be lower case letters, digits and -')
      .describe('Name of the metric, for messages.'),
    query: z.string().min(1).max(4096).describe('PromQL query that gives one number.'),
    min: z.number().optional().describe('Least that is good.'),
    max: z.number().optional().describe('Most that is good.'),
    address: z
      .string()
      .max(512)
      .regex(/^https?:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?(\/[A-Za-z0-9._~/-]*)?$/, 'must be the URL of a Prometheus')
      .describe('URL of the Prometheus, such as http://prometheus.monitoring.svc:9090.'),
  }),
  { rule: 'has(self.min) || has(self.max)', message: 'give min, max or both' },
  ({ min, max }) => min !== undefined || max !== undefined,
)

const analysis = z.object({
  intervalSeconds: z.int().min(1).max(86400).default(60).describe('Seconds between checks.'),
  threshold: z.int().min(1).max(100).default(3).describe('Failed checks until the revision is rolled back.'),
  maxRestarts: z.int().min(0).max(1000).default(0).describe('Restarts of its containers that a revision may have.'),
  metrics: listMap(metric, ['name'], { most: 16 }).optional().describe('Queries whose answers decide.'),
})

const step = z.object({
  weight: z.int().min(1).max(99).describe('Share of the requests that the new revision gets, in percent.'),
  pauseSeconds: z.int().min(0).max(604800).default(60).describe('Seconds until the next step.'),
})

export const rollout = [
  {
    when: { rule: "self.strategy == 'canary' || !has(self.steps)", fieldPath: '.steps' },
    message: 'only strategy canary has steps',
    check: ({ strategy, steps }: { strategy: string; steps?: readonly unknown[] | undefined }) =>
      strategy === 'canary' || steps === undefined,
  },
  {
    when: { rule: "self.strategy != 'rolling' || !has(self.analysis)", fieldPath: '.analysis' },
    message: 'strategy rolling has no analysis: choose canary or blueGreen',
    check: ({ strategy, analysis }: { strategy: string; analysis?: unknown }) =>
      strategy !== 'rolling' || analysis === undefined,
  },
  {
    when: { rule: "self.traffic != 'gateway' || self.strategy != 'rolling'", fieldPath: '.traffic' },
    message: 'strategy rolling splits no requests: choose canary or blueGreen',
    check: ({ strategy, traffic }: { strategy: string; traffic: string }) =>
      traffic !== 'gateway' || strategy !== 'rolling',
  },
].reduce(
  (schema, { when, message, check }) => rule(schema, { ...when, message }, check),
  z.object({
    strategy: z
      .enum(['rolling', 'canary', 'blueGreen'])
      .default('rolling')
      .describe(
        'rolling replaces pod by pod; canary gives a new revision a growing share of the requests; blueGreen starts it beside the old one and switches over.',
      ),
    steps: z
      .array(step)
      .min(1)
      .max(20)
      .optional()
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .describe('With canary: the shares, in this order; 10, 25 and 50 for a minute each when absent.'),
    promotion: z
      .enum(['automatic', 'manual'])
      .default('automatic')
      .describe('Whether a good revision waits for the annotation platform.example.com/promote: "<revision>".'),
    analysis: analysis.optional().describe('What a good revision is, beside its pods being ready.'),
    progressDeadlineSeconds: z
      .int()
      .min(30)
      .max(86400)
      .default(600)
      .describe('Seconds without progress until a revision has failed.'),
    maxUnavailable: countOrShare.default(0).describe('Pods that may be missing during a change.'),
    maxSurge: countOrShare.default('25%').describe('Pods that may be more during a change.'),
    traffic: z
      .enum(['replicas', 'gateway'])
      .default('replicas')
      .describe('What divides the requests: the number of pods of each revision, or a route of the Gateway API.'),
    scaleDownDelaySeconds: z
      .int()
      .min(0)
      .max(86400)
      .default(30)
      .describe('With blueGreen: seconds that the set of pods stays from which the requests were taken.'),
  }),
)

const revision = z.string().max(63)

const time = z.string().max(64).optional()

/** The part of the status that tells of revisions. */
export const rolloutStatus = {
  revision: z
    .object({
      current: revision.optional().describe('Revision that is asked for.'),
      stable: revision.optional().describe('Revision that last proved good.'),
      canary: revision.optional().describe('Revision that is being tried.'),
      failed: revision.optional().describe('Revision that was rolled back; it is not tried again.'),
    })
    .optional()
    .describe('Revisions of the pods: hashes of their template.'),
  rollout: z
    .object({
      phase: z.enum(phases).optional().describe('Where the new revision is.'),
      strategy: z.enum(['rolling', 'canary', 'blueGreen']).optional().describe('How it comes about.'),
      step: z.int().min(0).max(100).optional().describe('Step that it is at, from 0.'),
      weight: z.int().min(0).max(100).optional().describe('Share of the requests that it gets, in percent.'),
      failedChecks: z.int().min(0).max(1000000).optional().describe('Checks that failed.'),
      reason: z.enum(reasons).optional().describe('What it waits for, or why it failed, in a word.'),
      message: z.string().max(4096).optional().describe('The same for people.'),
      startedAt: time.describe('When it began.'),
      startingSince: time.describe('Since when the pods of the step have been coming.'),
      stepStartedAt: time.describe('When the time of the step began; while a canary leaves, when that began.'),
      failingSince: time.describe('Since when its pods have not been ready.'),
      lastFailedAt: time.describe('When a check of its pods last failed.'),
      lastFailedCheck: z
        .int()
        .min(0)
        .max(1000000)
        .optional()
        .describe('Number of the last query of the step that failed.'),
      baseReplicas: z
        .int()
        .min(0)
        .max(1000)
        .optional()
        .describe('Pods of the stable revision as it began; an autoscaler does not go below while it lasts.'),
    })
    .optional()
    .describe('How far the new revision has come.'),
  traffic: z
    .array(
      z.object({
        service: z.string().max(63).describe('Service.'),
        port: z.int().min(1).max(65535).describe('Its port.'),
        weight: z.int().min(0).max(100).describe('Its share of the requests, in percent.'),
        revision: revision.optional().describe('Revision behind it.'),
      }),
    )
    .max(4)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .describe('Where requests go.'),
}
