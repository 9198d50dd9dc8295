// From a configuration to what a server is made of: the files it names are read and checked here.
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type pino from 'pino'
import { createCredentials } from '../sdk/credentials.ts'
import type { Definition } from '../sdk/definition.ts'
import { createTokens, parseTokens } from './authentication.ts'
import { thisBuild } from './build.ts'
import { authenticationOf, type Configuration, configurationError } from './configuration.ts'
import { ephemeralKeys, parseKeys } from './keys.ts'
import { createLogger } from './logger.ts'
import type { ServerOptions } from './server.ts'
import { tracesFromEnvironment } from './traces.ts'

/** Throws a ConfigurationError for a file that is not fit. */
export async function assemble(
  definitions: readonly Definition[],
  configuration: Configuration,
  env: NodeJS.ProcessEnv,
): Promise<ServerOptions & { logger: pino.Logger; tokens: ReturnType<typeof createTokens> }> {
  const logger = createLogger(configuration.logLevel)
  const { admission, imageRegistry, allowedImages } = configuration
  const authentication = authenticationOf(configuration)
  if (authentication === undefined) throw configurationError(['nothing says who may call the hooks'])
  const keys = await readKeys(configuration)
  const build = thisBuild()
  const [tls, traces, events, quotas] = await Promise.all([
    readTls(configuration),
    tracesFromEnvironment(env, build),
    configuration.events ? kubernetesEvents(logger) : undefined,
    configuration.quotaWarnings ? kubernetesQuotas(logger) : undefined,
  ])
  return {
    definitions,
    environment: {
      credentials: createCredentials(keys),
      settings: {
        imageRegistry,
        allowedImages,
        suiteImage: configuration.suiteImage || `operator-hooks:${build.version}`,
        postgresqlAgentImage: configuration.postgresqlAgentImage || `operator-hooks-postgresql-agent:${build.version}`,
      },
    },
    ...(admission !== 'off' && { admission }),
    authentication,
    tokens: createTokens(await readTokens(configuration)),
    limits: {
      bodyBytes: configuration.bodyLimitMib * 1024 * 1024,
      inFlight: configuration.maxInFlight,
      eventLoopDelayMs: configuration.maxEventLoopDelayMs,
      retryAfterSeconds: configuration.retryAfterSeconds,
      timeoutSeconds: {
        sync: configuration.syncTimeoutSeconds,
        finalize: configuration.finalizeTimeoutSeconds,
        customize: configuration.customizeTimeoutSeconds,
      },
    },
    build,
    salt: keys.map(({ id }) => id),
    metricsApart: configuration.metricsPort !== undefined,
    logger,
    ...(tls && { tls }),
    ...(traces && { traces }),
    ...(events && { events }),
    ...(quotas && { quotas }),
  }
}

/** Says in the log what is fit for development only. */
export function warn(configuration: Configuration, logger: pino.Logger): void {
  if (configuration.ephemeralCredentialKeys) {
    logger.warn('credentials are derived with a key that is forgotten when the service stops: for development only')
  }
  if (configuration.admission !== 'off' && configuration.tlsCertFile === undefined) {
    logger.warn(
      'the API server calls webhooks over TLS only: --admission needs --tls-cert-file, or a proxy that speaks it',
    )
  }
  if (configuration.auth === 'none') logger.warn('anybody who reaches this service may call its hooks (--auth=none)')
}

/** The tokens that the configuration names; none when it names none. */
export async function readTokens({ tokensFile, tokens }: Configuration): Promise<string[]> {
  if (tokensFile !== undefined) return parseTokens(await contentOf(tokensFile, '--tokens-file'), tokensFile)
  return tokens === undefined ? [] : parseTokens(tokens, 'OPERATOR_HOOKS_TOKENS')
}

/** The certificates that the configuration names, tried out; undefined when it names none. */
export async function readTls(configuration: Configuration): Promise<SecureContextOptions | undefined> {
  const { tlsCertFile, tlsKeyFile, tlsClientCaFile } = configuration
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return undefined
  const [cert, key, ca] = await Promise.all([
    contentOf(tlsCertFile, '--tls-cert-file'),
    contentOf(tlsKeyFile, '--tls-key-file'),
    tlsClientCaFile === undefined ? undefined : contentOf(tlsClientCaFile, '--tls-client-ca-file'),
  ])
  tryOut({ cert }, `--tls-cert-file: ${tlsCertFile} has no certificate that can be read (PEM)`)
  tryOut({ key }, `--tls-key-file: ${tlsKeyFile} has no private key that can be read (PEM, without a passphrase)`)
  tryOut({ cert, key }, `--tls-key-file: ${tlsKeyFile} is not the key of the certificate in ${tlsCertFile}`)
  if (ca === undefined) return { cert, key }
  // OpenSSL takes a file without any certificate for an empty list.
  if (!ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw configurationError([`--tls-client-ca-file: ${tlsClientCaFile} has no certificate (PEM)`])
  }
  tryOut({ ca }, `--tls-client-ca-file: ${tlsClientCaFile} has no certificate that can be read (PEM)`)
  return { cert, key, ca }
}

function tryOut(options: SecureContextOptions, sentence: string): void {
  try {
    createSecureContext(options)
  } catch (error) {
    throw configurationError([`${sentence} (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`])
  }
}

async function readKeys(configuration: Configuration) {
  const { credentialKeysFile, credentialKeys } = configuration
  if (credentialKeysFile !== undefined) {
    return parseKeys(await contentOf(credentialKeysFile, '--credential-keys-file'), credentialKeysFile)
  }
  if (credentialKeys !== undefined) return parseKeys(credentialKeys, 'OPERATOR_HOOKS_CREDENTIAL_KEYS')
  return ephemeralKeys()
}

async function kubernetesEvents(logger: pino.Logger) {
  const { kubernetesEventSink } = await import('./kubernetes-events.ts')
  return kubernetesEventSink(logger)
}

async function kubernetesQuotas(logger: pino.Logger) {
  const { watchQuotas } = await import('./kubernetes-quotas.ts')
  return watchQuotas(logger)
}

async function contentOf(file: string, flag: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw configurationError([`${flag}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`])
  }
}
