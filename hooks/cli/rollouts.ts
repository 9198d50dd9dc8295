// What a person decides about the rollout of a WebApp: it becomes an annotation, which the next sync obeys.
import { annotations } from '../kinds/webapp/rollout/annotations.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { connect } from './cluster.ts'
import { type Flags, inputError, type Manual, runCommand, usageError } from './command.ts'
import { exitCodes, type Shell } from './shell.ts'

const webapps = { apiVersion: 'platform.example.com/v1', kind: 'WebApp', resource: 'webapps', namespaced: true }

const flags = {
  namespace: {
    type: 'string',
    short: 'n',
    value: 'NAME',
    help: "the WebApp's namespace; default the context's, then default",
  },
  kubeconfig: { type: 'string', value: 'FILE', help: 'the cluster; default KUBECONFIG, then ~/.kube/config' },
  context: { type: 'string', value: 'NAME', help: "the kubeconfig's context" },
} as const satisfies Flags

/** A command that names the revision being tried in one of the annotations. */
export interface Verdict {
  readonly name: 'promote' | 'abort'
  readonly summary: string
  readonly notes: readonly string[]
  /** Why it cannot be said of a rollout in that state; undefined when it can. */
  refusal(rollout: Rollout): string | undefined
  /** What it has done. */
  told(rollout: Rollout): string
}

/** What is known of the rollout of a WebApp. */
interface Rollout {
  phase: string
  revision: string
  stable: string | undefined
  promotion: string
}

/** Runs such a command in a given shell. */
export function runVerdict(verdict: Verdict, args: readonly string[], shell: Shell): Promise<number> {
  const { name, summary, notes } = verdict
  const manual: Manual<typeof flags> = { name, summary, usage: 'NAME [flags]', positionals: 'NAME', flags, notes }
  return runCommand(manual, args, shell, async ({ namespace, kubeconfig, context }, [app, ...more]) => {
    if (app === undefined || more.length > 0) throw usageError(`which WebApp? ${name} takes one name`)
    const cluster = await connect(kubeconfig, context)
    const place = namespace ?? cluster.namespace ?? 'default'
    const title = `WebApp ${place}/${app}`
    const object = await cluster.get(webapps, app, place)
    if (object === undefined) throw inputError(`there is no ${title} in ${cluster.title}`)
    const rollout = rolloutOf(object)
    if (rollout === undefined) throw inputError(`${title}: no revision is being tried`)
    const refused = verdict.refusal(rollout)
    if (refused !== undefined) throw inputError(`${title}: ${refused}`)
    await cluster.patch(webapps, app, place, { metadata: { annotations: { [annotations[name]]: rollout.revision } } })
    shell.out(`${title}: ${verdict.told(rollout)}`)
    return exitCodes.ok
  })
}

function rolloutOf({ spec, status }: KubernetesObject): Rollout | undefined {
  if (!isRecord(status) || !isRecord(status.rollout) || !isRecord(status.revision)) return undefined
  const { phase } = status.rollout
  const { canary, stable } = status.revision
  if (typeof phase !== 'string' || typeof canary !== 'string') return undefined
  const promotion = isRecord(spec) && isRecord(spec.rollout) ? spec.rollout.promotion : undefined
  return {
    phase,
    revision: canary,
    stable: typeof stable === 'string' ? stable : undefined,
    promotion: promotion === 'manual' ? 'manual' : 'automatic',
  }
}
