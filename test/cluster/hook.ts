// The hook service as a process of its own, with a proxy before it that counts its answers and can kill it.
import type { HookService } from '../scenarios/cluster.ts'
import { answers, freePort, untilUp } from './controlplane.ts'
import { startProxy } from './proxy.ts'
import type { Component, Workplace } from './workplace.ts'

/** How the hook service is started: any program that serves plain HTTP on 127.0.0.1 at the port in PORT. */
export interface HookCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Where it listens; default: a free port. It is told by PORT. */
  readonly port?: number
  /** Answers 200 once it can work; default /readyz. */
  readonly readyPath?: string
}

export interface HookProcess extends HookService {
  /** What Metacontroller is to call. */
  readonly calledAt: string
  tail(): string
  close(): Promise<void>
}

/** Prepares one; it runs after `start()`. `faults` false takes the proxy out of Metacontroller's way. */
export async function hookService(workplace: Workplace, hook: HookCommand, faults = true): Promise<HookProcess> {
  const port = hook.port ?? (await freePort())
  const url = `http://127.0.0.1:${port}`
  const proxy = faults ? await startProxy(url, (request) => (request.url ?? '').startsWith('/hooks/')) : undefined
  let process: Component | undefined

  const kill = async () => process?.kill()
  const needsFaults = () => {
    if (proxy) return proxy
    throw new Error('this needs a control plane started with faults')
  }
  return {
    url,
    calledAt: proxy?.url ?? url,
    async start() {
      if (process?.running()) throw new Error('the hook service runs already')
      proxy?.reset()
      const started = workplace.start('hook', [hook.command, ...hook.args], { ...hook.env, PORT: String(port) })
      process = started
      await untilUp('the hook service', [started], () => answers(`${url}${hook.readyPath ?? '/readyz'}`))
    },
    async stop() {
      await process?.stop(gracePeriodSeconds)
    },
    kill,
    running: () => process?.running() ?? false,
    async metrics() {
      const answer = await fetch(`${url}/metrics`)
      if (!answer.ok) throw new Error(`GET ${url}/metrics answered ${answer.status}`)
      return answer.text()
    },
    answered: async () => needsFaults().answered(),
    killBeforeAnswer: (n) => needsFaults().strikeAt(n, kill),
    tail: () => process?.tail() ?? '',
    close: async () => proxy?.close(),
  }
}

/** What Kubernetes gives a pod by default. */
const gracePeriodSeconds = 30
