// The one entry: commands from the shell, and the handler that AWS Lambda calls. Each command is loaded when it is called,
// so that a cold start of `serve` pays for nothing else.

interface Command {
  summary: string
  load(): Promise<{
    /** The exit code; undefined when it goes on running. */
    run(args: string[]): Promise<number | undefined>
  }>
}

const commands: Record<string, Command> = {
  serve: { summary: "answer Metacontroller's hooks", load: () => import('./cli/serve.ts') },
  render: { summary: 'print the children of a resource as YAML', load: () => import('./cli/render.ts') },
  plan: { summary: 'show what applying a resource would do to a cluster', load: () => import('./cli/plan.ts') },
  demo: { summary: 'see it at work, in a simulated or a real cluster', load: () => import('./cli/demo.ts') },
  simulate: {
    summary: 'tell what becomes of a resource in a simulated cluster',
    load: () => import('./cli/simulate.ts'),
  },
  replay: { summary: 'answer recorded hook payloads again and compare', load: () => import('./cli/replay.ts') },
  promote: { summary: 'let a revision of a WebApp that is being tried go on', load: () => import('./cli/promote.ts') },
  abort: { summary: 'roll a revision of a WebApp back that is being tried', load: () => import('./cli/abort.ts') },
  analyze: { summary: 'ask Prometheus whether all is well', load: () => import('./cli/analyze.ts') },
  version: { summary: 'print the version, the build and the kinds', load: () => import('./cli/version.ts') },
  crds: { summary: 'print the CustomResourceDefinitions', load: () => import('./cli/crds.ts') },
  controllers: {
    summary: 'print what makes Metacontroller call the hooks',
    load: () => import('./cli/controllers.ts'),
  },
  binlogs: {
    summary: 'find the binary logs of MySQL that lead to a point in time',
    load: () => import('./cli/binlogs.ts'),
  },
  agent: { summary: 'keep a member of a replicated Database in its group', load: () => import('./cli/agent.ts') },
  certificate: {
    summary: 'make the certificate that the API server trusts, where there is no cert-manager',
    load: () => import('./cli/certificate.ts'),
  },
}

async function main([name, ...args]: string[]): Promise<number | undefined> {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    console.log(help())
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    const { didYouMean } = await import('./cli/suggest.ts')
    console.error(`there is no command "${name}"${didYouMean(name, Object.keys(commands))}\n\n${help()}`)
    return 2
  }
  return (await command.load()).run(args)
}

function help(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return `operator-hooks: Kubernetes operators as pure functions behind Metacontroller

${lines.join('\n')}

operator-hooks <command> --help says more.`
}

/** AWS Lambda's entry: `operator-hooks.handler` is a function URL's handler. */
export async function handler(event: unknown, context: object): Promise<unknown> {
  lambda ??= startLambda()
  return (await lambda)(event, context)
}

let lambda: ReturnType<typeof startLambda> | undefined

async function startLambda() {
  const [{ createHandler }, { suite }] = await Promise.all([import('./server/lambda.ts'), import('./kinds/index.ts')])
  return createHandler(suite, process.env)
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
// Lambda lends a whole CPU to what a function does before its first event.
else if (process.env.AWS_LAMBDA_FUNCTION_NAME !== undefined) lambda = startLambda()
