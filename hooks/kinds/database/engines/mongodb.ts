// MongoDB in the official image: https://hub.docker.com/_/mongo and https://www.mongodb.com/docs/manual/
import { type Engine, monitor, paths } from './engine.ts'
import { configurationOf, configurationPath, layCertificates, port, volumePath } from './mongodb/configuration.ts'
import { replicaSet } from './mongodb/replicaset.ts'
import { accountsScript, reloadScript, shell } from './mongodb/scripts.ts'

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
  dataPath: () => volumePath,
  configurationPath,
  scratch: [],
  command(db) {
    const args = ['mongod', '--config', `${configurationPath}/mongod.conf`]
    if (db.spec.tls === undefined) return { args }
    // mongod wants certificate and key in one file, and nobody else to read it.
    return { command: ['bash', '-c', `${layCertificates}\nexec docker-entrypoint.sh "$@"`, 'mongod'], args }
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
  configuration: (db, memoryBytes) => configurationOf(db, memoryBytes),
  accountsScript,
  reloadScript,
  dumpScript: (db) => String.raw`
options=$work/tools.yaml
query='authSource=admin${db.spec.tls === undefined ? '' : '&tls=true&tlsInsecure=true'}'
(umask 077; printf 'uri: %s\npassword: %s\n' "mongodb://root@$DATABASE_HOST:$DATABASE_PORT/?$query" "$(cat ${paths.superuser}/superuser-password)" >"$options")

# Of a replica set, what is written meanwhile is in it too: all of it is of one moment.
set=$(mongosh --quiet --norc "mongodb://$DATABASE_HOST:$DATABASE_PORT/?$query" --eval 'print(db.hello().setName ?? "")')
mongodump --quiet --config="$options" $([ -z "$set" ] || echo --oplog) --archive="$target" --gzip
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
    // Only in compatible mode it tells how far the oplog reaches back.
    args: () => ['--collect-all', '--compatible-mode'],
    env: ({ host, tls, password }) => [
      {
        name: 'MONGODB_URI',
        value: `mongodb://${host}:${port}/?directConnection=true&serverSelectionTimeoutMS=5000&authSource=admin${tls ? '&tls=true&tlsInsecure=true' : ''}`,
      },
      { name: 'MONGODB_USER', value: monitor.username },
      { name: 'MONGODB_PASSWORD', valueFrom: password },
    ],
  },
  replication: replicaSet,
  backupSuffix: '.archive.gz',
  uri: uri('mongodb:'),
  jdbcUri: uri('jdbc:mongodb:'),
}

function uri(scheme: string): Engine['uri'] {
  return ({ username, password, host, port, database, tls, members }) => {
    const hosts = members === undefined ? `${host}:${port}` : members.hosts.join(',')
    const options = `${members === undefined ? '' : `&replicaSet=${members.set}`}${tls ? '&tls=true' : ''}`
    return `${scheme}//${encodeURIComponent(username)}:${encodeURIComponent(password)}@${hosts}/${database}?authSource=${database}${options}`
  }
}
