// The service as a process: a server that listens, takes up new tokens and certificates, and stops gracefully.
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import type pino from 'pino'
import type { Definition } from '../sdk/definition.ts'
import { assemble, readTls, readTokens, warn } from './assemble.ts'
import type { Tokens } from './authentication.ts'
import { type Configuration, configurationError } from './configuration.ts'
import { frames } from './errors.ts'
import { createServer } from './server.ts'
import { watchFiles } from './watch.ts'

/**
 * Starts the service and resolves once it listens; from then on SIGTERM and SIGINT stop it. Throws a ConfigurationError
 * for what the configuration names and is not fit, and for a port that is taken.
 */
export async function serve(
  definitions: readonly Definition[],
  configuration: Configuration,
  env: NodeJS.ProcessEnv = process.env,
): Promise<FastifyInstance> {
  const options = await assemble(definitions, configuration, env)
  const { logger } = options
  const app = await createServer(options)
  const { host, port, metricsPort } = configuration
  await quietly(logger, async () => {
    await listen(app, host, port, '--port')
    if (app.probes !== undefined && metricsPort !== undefined) {
      await listen(app.probes, host, metricsPort, '--metrics-port')
    }
  }).catch(async (error) => {
    await app.close()
    throw error
  })
  const metrics = app.probes && { metrics: `http://${addressOf(app.probes)}/metrics` }
  // Before it says that it listens: whoever waits for that line may stop it the moment after.
  stopGracefully(app, configuration, logger)
  logger.info({ url: `${options.tls ? 'https' : 'http'}://${addressOf(app)}`, ...metrics }, 'listening')
  warn(configuration, logger)
  takeUpNewFiles(app, options.tokens, configuration, logger)
  return app
}

// Fastify tells where it listens in a line without fields; the one that `serve` writes has them.
async function quietly(logger: pino.Logger, work: () => Promise<void>): Promise<void> {
  const { level } = logger
  logger.level = 'silent'
  try {
    await work()
  } finally {
    logger.level = level
  }
}

async function listen(app: FastifyInstance, host: string, port: number, flag: string): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') throw configurationError([`${flag}: ${port} is taken on ${host}; 0 takes a free one`])
    if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      throw configurationError([`--host, ${flag}: cannot listen on ${host}:${port} (${code})`])
    }
    throw error
  }
}

function addressOf(app: FastifyInstance): string {
  const { address, port } = app.server.address() as AddressInfo
  // What to ask in order to reach a server that listens on every address.
  if (address === '0.0.0.0' || address === '::') return `127.0.0.1:${port}`
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function takeUpNewFiles(app: FastifyInstance, tokens: Tokens, configuration: Configuration, logger: pino.Logger): void {
  const { tokensFile, tlsCertFile, tlsKeyFile, tlsClientCaFile, reloadSeconds } = configuration
  const watch = (what: string, files: (string | undefined)[], change: () => Promise<void>) => {
    const named = files.filter((file) => file !== undefined)
    if (named.length === 0) return
    const changed = async () => {
      await change()
      logger.info({ files: named }, `took up new ${what}`)
    }
    const failed = (error: unknown) => {
      const reason = error instanceof Error ? error.message : 'unreadable'
      logger.error({ files: named, reason }, `kept the ${what} from before: the new ones are not fit`)
    }
    watchFiles(named, reloadSeconds, changed, failed)
  }
  watch('tokens', [tokensFile], async () => tokens.replace(await readTokens(configuration)))
  watch('certificates', [tlsCertFile, tlsKeyFile, tlsClientCaFile], async () => {
    const tls = await readTls(configuration)
    if (tls !== undefined) app.exchange(tls)
  })
}

// Stops as a pod does: while it is being taken out of its Service it still listens and answers 429, so that no call
// fails; then it answers what is in flight, and ends.
function stopGracefully(app: FastifyInstance, configuration: Configuration, logger: pino.Logger): void {
  const { drainSeconds, graceSeconds } = configuration
  closeWithGrace({ delay: graceSeconds * 1000, logger: false }, async ({ signal, err }) => {
    if (err !== undefined) logger.fatal({ error: err.name, stack: frames(err) }, 'stopping after an error')
    else logger.info({ signal }, 'stopping')
    app.stop()
    await setTimeout(drainSeconds * 1000)
    const closed = app.close().then(() => true)
    // Whoever has not sent the whole of a request by then will not get an answer.
    const patience = (graceSeconds - drainSeconds) * 1000 - 500
    const inTime = await Promise.race([closed, setTimeout(patience, false, { ref: false })])
    if (!inTime) {
      app.server.closeAllConnections()
      await closed
    }
    logger.info('stopped')
  })
}
