// MongoDB in the official image: https://hub.docker.com/_/mongo and https://www.mongodb.com/docs/manual/
import type { Database } from '../schema.ts'
import { type Engine, monitor, operator, paths } from './engine.ts'

const port = 27017
const configurationPath = '/etc/mongo'
const pemFile = '/tmp/tls.pem'

export const mongodb: Engine = {
  title: 'MongoDB',
  repository: 'mongo',
  port,
  uid: 999,
  superuser: 'root',
  // SIGTERM: operations end and a checkpoint is written.
  stopSeconds: 120,
  startSeconds: 3600,
  // https://www.mongodb.com/docs/manual/reference/versioning/: 7.0 and 8.0 are series, so are 8.1, 8.2 …
  seriesLength: () => 2,
  mayDowngrade: () => true,
  dataPath: () => '/data/db',
  configurationPath,
  scratch: [],
  command(db) {
    const args = ['mongod', '--config', `${configurationPath}/mongod.conf`]
    if (db.spec.tls === undefined) return { args }
    // mongod wants certificate and key in one file, and nobody else to read it.
    return { command: ['bash', '-c', `${combineTls}; exec docker-entrypoint.sh "$@"`, 'mongod'], args }
  },
  env: () => [
    { name: 'MONGO_INITDB_ROOT_USERNAME', value: 'root' },
    { name: 'MONGO_INITDB_ROOT_PASSWORD_FILE', value: `${paths.superuser}/superuser-password` },
    // mongosh wants a folder to write to.
    { name: 'HOME', value: '/tmp' },
  ],
  // Neither needs to log in. While the image initialises a data folder, `alive` may already say yes: harmless,
  // because `ready` is what clients depend on and the accounts are there by then.
  alive: (db) => shell(db, "quit(db.adminCommand('ping').ok ? 0 : 1)"),
  ready: (db) => shell(db, 'const hello = db.hello(); quit(hello.isWritablePrimary || hello.secondary ? 0 : 1)'),
  ownedParameters: [
    {
      pattern: /^net\.(port|bindIp|bindIpAll|unixDomainSocket\..*)$/,
      reason: 'Services, probes and backups rely on where the server listens',
    },
    { pattern: /^net\.(tls|ssl)\..*$/, reason: 'use spec.tls' },
    {
      pattern:
        /^(storage\.(dbPath|directoryPerDB|engine)|processManagement\..*|systemLog\.(destination|path|logAppend))$/,
      reason: 'the operator mounts these folders and collects the log',
    },
    {
      pattern: /^(security\.(authorization|keyFile|clusterAuthMode)|replication\..*|sharding\..*)$/,
      reason: 'the operator sets it up',
    },
  ],
  configuration(db, memoryBytes) {
    const settings = { ...sized(memoryBytes), ...own(db), ...userSettings(db) }
    const names = Object.keys(settings).sort()
    // Whether a parameter is set at all counts as well: a server has no way back to its own default.
    const fixed = names.map((name) => (runtime.has(name) ? name : `${name}=${settings[name]}`))
    const changeable = names.filter((name) => runtime.has(name))
    return {
      files: {
        'mongod.conf': yaml(nested(settings, names)),
        'reload.json': `${JSON.stringify(changeable.map((name) => ({ setParameter: 1, [name.slice('setParameter.'.length)]: settings[name] })))}\n`,
      },
      restart: fixed.join('\n'),
    }
  },
  accountsScript: (db, state) => String.raw`
${chooseAddress}
mongosh --quiet --norc "$address" --eval '
const { existsSync, readFileSync } = require("fs")
const read = (path) => readFileSync(path, "utf8").replace(/\n$/, "")
const admin = db.getSiblingDB("admin")
const password = read("${paths.superuser}/superuser-password")
const login = (secret) => { try { return admin.auth("root", secret).ok === 1 } catch { return false } }
// After a rotation the server still has the password before it.
if (!login(password)) {
  if (!existsSync("${paths.superuser}/superuser-password-previous") || !login(read("${paths.superuser}/superuser-password-previous"))) {
    print("the administrator cannot log in")
    quit(1)
  }
  admin.changeUserPassword("root", password)
  login(password)
}
const app = db.getSiblingDB("${db.spec.credentials.database}")
const user = read("${paths.app}/username")
const pwd = read("${paths.app}/password")
const roles = ${state === 'open' ? '["dbOwner"]' : '[]'}
if (app.getUser(user) === null) app.createUser({ user, pwd, roles })
else app.updateUser(user, { pwd${state === 'open' ? '' : ', roles'} })
${state === 'open' ? 'app.grantRolesToUser(user, roles)' : ''}
${otherStatements}'
`,
  reloadScript: (db) => String.raw`
${db.spec.tls === undefined ? '' : combineTls}
${chooseAddress}
mongosh --quiet --norc "$address" --eval '
const { readFileSync } = require("fs")
const admin = db.getSiblingDB("admin")
admin.auth("root", readFileSync("${paths.superuser}/superuser-password", "utf8").replace(/\n$/, ""))
for (const command of JSON.parse(readFileSync("${configurationPath}/reload.json", "utf8"))) {
  const answer = admin.runCommand(command)
  if (answer.ok !== 1) { print(answer.errmsg); quit(1) }
}
${db.spec.tls === undefined ? '' : 'admin.runCommand({ rotateCertificates: 1 })\n'}'
`,
  dumpScript: (db) => String.raw`
options=$work/tools.yaml
uri="mongodb://root@$DATABASE_HOST:$DATABASE_PORT/?authSource=admin${db.spec.tls === undefined ? '' : '&tls=true&tlsInsecure=true'}"
(umask 077; printf 'uri: %s\npassword: %s\n' "$uri" "$(cat ${paths.superuser}/superuser-password)" >"$options")

mongodump --quiet --config="$options" --archive="$target" --gzip
mongorestore --quiet --config="$options" --archive="$target" --gzip --dryRun
rm "$options"
`,
  // The whole archive is one stream of gzip, which ends with a checksum.
  checkScript: `
gzip --test "$file" 2>"$work/error" || corrupt
`,
  restoreScript: (db) => String.raw`
options=$work/tools.yaml
query='authSource=admin${db.spec.tls === undefined ? '' : '&tls=true&tlsInsecure=true'}'
(umask 077; printf 'uri: %s\npassword: %s\n' "mongodb://root@$DATABASE_HOST:$DATABASE_PORT/?$query" "$(cat ${paths.superuser}/superuser-password)" >"$options")
ask() { mongosh --quiet --norc "mongodb://$DATABASE_HOST:$DATABASE_PORT/?$query" --eval "
const admin = db.getSiblingDB('admin')
admin.auth('root', require('fs').readFileSync('${paths.superuser}/superuser-password', 'utf8').replace(/\n\$/, ''))
$1"; }
mark=operator_hooks_recovery_$RECOVERY_ID
found=$(ask "const names = db.getMongo().getDBNames().filter((name) => !['admin', 'config', 'local'].includes(name)); print(names.includes('$mark') ? 0 : names.reduce((sum, name) => sum + db.getSiblingDB(name).getCollectionNames().length, 0))")
[ "$found" = 0 ] || notempty "there are $found collections already"
# For as long as it lasts: what is there then is of an attempt before.
ask "db.getSiblingDB('$mark').began.insertOne({})" >/dev/null
mongorestore --quiet --config="$options" --archive="$file" --gzip --drop --stopOnError --nsExclude='admin.*' --nsExclude='config.*' --nsExclude='operator_hooks_recovery_*.*'
ask "db.getSiblingDB('$mark').dropDatabase()" >/dev/null
rm "$options"
`,
  // https://github.com/percona/mongodb_exporter
  exporter: {
    image: 'percona/mongodb_exporter:0.53.0',
    port: 9216,
    args: () => ['--collect-all'],
    env: ({ host, tls, password }) => [
      {
        name: 'MONGODB_URI',
        value: `mongodb://${host}:${port}/?directConnection=true&serverSelectionTimeoutMS=5000&authSource=admin${tls ? '&tls=true&tlsInsecure=true' : ''}`,
      },
      { name: 'MONGODB_USER', value: monitor.username },
      { name: 'MONGODB_PASSWORD', valueFrom: password },
    ],
  },
  backupSuffix: '.archive.gz',
  uri: uri('mongodb:'),
  jdbcUri: uri('jdbc:mongodb:'),
}

function uri(scheme: string): Engine['uri'] {
  return ({ username, password, host, port, database, tls }) =>
    `${scheme}//${encodeURIComponent(username)}:${encodeURIComponent(password)}@${host}:${port}/${database}?authSource=${database}${tls ? '&tls=true' : ''}`
}

const combineTls = `umask 077; cat ${paths.tls}/tls.crt ${paths.tls}/tls.key >${pemFile}`

// https://www.mongodb.com/docs/manual/reference/built-in-roles/#mongodb-authrole-clusterMonitor
// userAdmin of one database may give away the roles of that database alone; of admin it would be an administrator.
const otherStatements = `
const operator = { pwd: read("${paths.superuser}/${operator.key}"), roles: ["userAdmin"] }
if (app.getUser("${operator.username}") === null) app.createUser({ user: "${operator.username}", ...operator })
else app.updateUser("${operator.username}", operator)
const monitor = { pwd: read("${paths.superuser}/${monitor.key}"), roles: ["clusterMonitor", { role: "read", db: "local" }] }
if (admin.getUser("${monitor.username}") === null) admin.createUser({ user: "${monitor.username}", ...monitor })
else admin.updateUser("${monitor.username}", monitor)
`

const local = `mongodb://127.0.0.1:${port}/?directConnection=true&serverSelectionTimeoutMS=5000`
// Within the pod: the certificate is for other names than 127.0.0.1.
const localTls = `${local}&tls=true&tlsInsecure=true`

// While the image initialises a data folder its server knows no TLS, later it may demand it.
const chooseAddress = `
address='${local}'
if [ -n "\${DATABASE_HOST:-}" ]; then address="mongodb://$DATABASE_HOST:$DATABASE_PORT/?serverSelectionTimeoutMS=30000"; fi
mongosh --quiet --norc "$address" --eval 'quit(0)' >/dev/null 2>&1 || address="$address&tls=true&tlsInsecure=true"
`

function shell(db: Database, script: string): string[] {
  return ['mongosh', '--quiet', '--norc', db.spec.tls?.required === true ? localTls : local, '--eval', script]
}

// https://www.mongodb.com/docs/manual/administration/production-notes/: half of what is above 1 GiB, at least a
// quarter of one; mongod itself would reckon with the node's memory where it cannot see the limit.
function sized(memoryBytes: number): Record<string, string | number | boolean> {
  const cache = Math.max(0.25, Math.floor(((memoryBytes / 1024 ** 3 - 1) / 2) * 100) / 100)
  return { 'storage.wiredTiger.engineConfig.cacheSizeGB': cache }
}

function own(db: Database): Record<string, string | number | boolean> {
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
          'net.tls.allowConnectionsWithoutCertificates': true,
        }),
  }
}

function userSettings(db: Database): Record<string, string | number | boolean> {
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

function nested(settings: Record<string, string | number | boolean>, names: readonly string[]): Tree {
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
