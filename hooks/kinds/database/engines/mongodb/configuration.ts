// mongod.conf, and what of it a running server takes over: https://www.mongodb.com/docs/manual/reference/configuration-options/
import type { Database } from '../../schema.ts'
import { type Configuration, paths } from '../engine.ts'

export const port = 27017
export const configurationPath = '/etc/mongo'
/** Where the volume is mounted. */
export const volumePath = '/data/db'
const pemFile = '/tmp/tls.pem'
const authoritiesFile = '/tmp/tls-authorities.pem'

type Settings = Readonly<Record<string, string | number | boolean>>

/** The engine's files; `more` is set whatever users say. What is in `once` counts when a data folder is made and never again. */
export function configurationOf(
  db: Database,
  memoryBytes: number,
  more: Settings = {},
  once: ReadonlySet<string> = new Set(),
): Configuration {
  const settings = { ...sized(memoryBytes), ...own(db), ...userSettings(db), ...more }
  const names = Object.keys(settings).sort()
  // Whether a parameter is set at all counts as well: a server has no way back to its own default.
  const fixed = names.map((name) => (runtime.has(name) || once.has(name) ? name : `${name}=${settings[name]}`))
  const changeable = names.filter((name) => runtime.has(name))
  return {
    files: {
      'mongod.conf': yaml(nested(settings, names)),
      'reload.json': `${JSON.stringify(changeable.map((name) => ({ setParameter: 1, [name.slice('setParameter.'.length)]: settings[name] })))}\n`,
    },
    restart: fixed.join('\n'),
  }
}

/**
 * Bash: lays the mounted certificate as mongod wants it: with its key in one file, which nobody else may read, and beside
 * it those who are trusted. Without any a server refuses to begin, since 7.0.6, 6.0.14 and 5.0.25; where the Secret
 * has no ca.crt, that is whom the image trusts, or the certificate itself.
 */
export const layCertificates = `umask 077
cat ${paths.tls}/tls.crt ${paths.tls}/tls.key >${pemFile}
if [ -s ${paths.tls}/ca.crt ]; then cat ${paths.tls}/ca.crt; else cat ${paths.tls}/tls.crt /etc/ssl/certs/ca-certificates.crt; fi >${authoritiesFile} || true`

// https://www.mongodb.com/docs/manual/administration/production-notes/: half of what is above 1 GiB, at least a
// quarter of one; mongod itself would reckon with the node's memory where it cannot see the limit.
function sized(memoryBytes: number): Settings {
  const cache = Math.max(0.25, Math.floor(((memoryBytes / 1024 ** 3 - 1) / 2) * 100) / 100)
  return { 'storage.wiredTiger.engineConfig.cacheSizeGB': cache }
}

function own(db: Database): Settings {
  return {
    'net.port': port,
    'net.bindIpAll': true,
    'net.unixDomainSocket.enabled': false,
    'security.authorization': 'enabled',
    'storage.dbPath': '/data/db',
    ...(db.spec.tls === undefined
      ? {}
      : {
          'net.tls.mode': db.spec.tls.required ? 'requireTLS' : 'preferTLS',
          'net.tls.certificateKeyFile': pemFile,
          'net.tls.CAFile': authoritiesFile,
          'net.tls.allowConnectionsWithoutCertificates': true,
        }),
  }
}

function userSettings(db: Database): Settings {
  return Object.fromEntries(
    Object.entries(db.spec.parameters ?? {}).map(([name, value]) => [name, typed(value)] as const),
  )
}

// A map of strings in the spec, but mongod tells 1 from "1".
function typed(value: string | number): string | number | boolean {
  if (value === 'true' || value === 'false') return value === 'true'
  return typeof value === 'string' && /^-?[0-9]+(\.[0-9]+)?$/.test(value) ? Number(value) : value
}

type Tree = { [name: string]: string | number | boolean | Tree }

function nested(settings: Settings, names: readonly string[]): Tree {
  const root: Tree = {}
  for (const name of names) {
    const parts = name.split('.')
    // What follows setParameter. is one name.
    const path = parts[0] === 'setParameter' ? ['setParameter', parts.slice(1).join('.')] : parts
    let node = root
    for (const part of path.slice(0, -1)) {
      const next = node[part]
      const child: Tree = typeof next === 'object' ? next : {}
      node[part] = child
      node = child
    }
    node[path.at(-1) ?? name] = settings[name] ?? ''
  }
  return root
}

function yaml(tree: Tree, indent = ''): string {
  return Object.entries(tree)
    .map(([name, value]) =>
      typeof value === 'object'
        ? `${indent}${name}:\n${yaml(value, `${indent}  `)}`
        : `${indent}${name}: ${typeof value === 'string' ? JSON.stringify(value) : value}\n`,
    )
    .join('')
}

// Server parameters that setParameter changes on a running server, of those that people set:
// https://www.mongodb.com/docs/manual/reference/parameters/. Whatever is not here rolls the pods.
const runtime = new Set(
  [
    ...[
      'cursorTimeoutMillis',
      'internalQueryMaxBlockingSortMemoryUsageBytes',
      'logLevel',
      'maxIndexBuildMemoryUsageMegabytes',
    ],
    ...['notablescan', 'quiet', 'traceExceptions', 'transactionLifetimeLimitSeconds', 'ttlMonitorEnabled'],
    ...['ttlMonitorSleepSecs', 'maxTransactionLockRequestTimeoutMillis', 'syncdelay', 'slowConnectionThresholdMillis'],
  ].map((name) => `setParameter.${name}`),
)
