// The hook service's answers without its HTTP: for commands that ask kinds in this process.
import { type Definition, hookName } from '../sdk/definition.ts'
import { type Environment, evaluateComposite, evaluateCustomize, evaluateDecorator } from '../sdk/evaluate.ts'
import type { KubernetesObject } from '../sdk/kubernetes.ts'
import { checkComposite, checkCustomize, checkDecorator } from '../server/request.ts'
import type { Transport } from '../simulator/index.ts'

/** What a kind answered to one request. */
export interface HookAnswer {
  readonly definition: Definition
  /** The parent, or the object that is decorated. */
  readonly parent: KubernetesObject
  readonly response: object
  /** The children or attachments of the response; none of a customize hook. */
  readonly children: readonly KubernetesObject[]
  readonly hold?: { reason: string; message: string }
}

/** `database/sync`: the part of a hook's URL that tells hooks apart; undefined when a path is none. */
export function hookOf(path: string): string | undefined {
  return /(?:^|\/)([a-z0-9-]+\/(?:sync|finalize|customize))\/?(?:$|[?#])/.exec(path)?.[1]
}

/**
 * Answers one request. Throws what the kind's own code throws, and an Error for a hook that there is not or a body that
 * is no request to it.
 */
export function answerHook(
  definitions: readonly Definition[],
  hook: string,
  request: unknown,
  environment: Environment,
): HookAnswer {
  const [name, which] = hook.split('/')
  const definition = definitions.find((candidate) => hookName(candidate) === name)
  if (definition === undefined) throw new Error(`there is no hook ${hook}`)
  if (which === 'customize') {
    const customize = checked(checkCustomize(definition, request))
    return { definition, parent: customize.parent, response: evaluateCustomize(definition, customize), children: [] }
  }
  if (definition.controller === 'composite') {
    const composite = checked(checkComposite(definition, which === 'finalize', request))
    const { response, hold } = evaluateComposite(definition, composite, environment)
    return { definition, parent: composite.parent, response, children: response.children, ...(hold && { hold }) }
  }
  const decorator = checked(checkDecorator(definition, which === 'finalize', request))
  const { response, hold } = evaluateDecorator(definition, decorator, environment)
  return { definition, parent: decorator.object, response, children: response.attachments, ...(hold && { hold }) }
}

/** A transport for the simulator that answers in this process; `tell` hears every answer, and what it was asked. */
export function inProcessTransport(
  definitions: readonly Definition[],
  environment: () => Environment,
  tell: (answer: HookAnswer, asked: { hook: string; body: string }) => void = () => {},
): Transport {
  return async ({ url, body }) => {
    const hook = hookOf(url) ?? url
    const answer = answerHook(definitions, hook, JSON.parse(body), environment())
    tell(answer, { hook, body })
    return { status: 200, headers: {}, body: JSON.stringify(answer.response) }
  }
}

function checked<Request>(
  result: { request: Request; fault?: undefined } | { request?: undefined; fault: string },
): Request {
  if (result.fault !== undefined) throw new Error(result.fault)
  return result.request
}
