// Databases as the hooks emit them, in real pods with the real engines: reached by their Services, changed while they
// run, backed up to S3 and restored from there.
import t from 'tap'
import { isRecord, type KubernetesObject, type ObjectReference } from '../../hooks/sdk/kubernetes.ts'
import { at, database, databaseAt, databaseBackupAt, untilCondition, untilPhase } from '../scenarios/database.ts'
import { untilServed } from './client.ts'
import { obstacle } from './requirements.ts'
import { suiteOnNodes } from './suite.ts'

const reason = obstacle()
if (reason !== undefined) {
  t.test('databases in real pods', { skip: reason }, async () => {})
} else {
  const cluster = await suiteOnNodes(t)
  const needsStore = cluster.s3.endpoint === '' ? { skip: 'no object store was given' } : {}
  t.test("images keep the official images' contract of environment and first start", async (t) => {
    const namespace = await cluster.namespace('images')
    const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
    await cluster.create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace, name: 'first-start' },
      data: { '1.sql': 'CREATE TABLE made (id int);', '2.sh': 'echo "told as $(id -u)"' },
    })
    const { versions } = cluster
    for (const { name, image, env, question } of [
      {
        name: 'postgres',
        image: `postgres:${versions.postgresql}`,
        env: { POSTGRES_USER: 'jane', POSTGRES_DB: 'shop', POSTGRES_PASSWORD: "it's" },
        question: `PGPASSWORD="it's" psql -h 127.0.0.1 -U jane -d shop -Atc "SELECT current_user || ' ' || count(*) FROM made"`,
      },
      {
        name: 'mysql',
        image: `mysql:${versions.mysql}`,
        env: { MYSQL_ROOT_PASSWORD: 'root', MYSQL_USER: 'jane', MYSQL_DATABASE: 'shop', MYSQL_PASSWORD: "it's" },
        question: `MYSQL_PWD="it's" mysql -h 127.0.0.1 -u jane -Ne "SELECT concat('jane ', count(*)) FROM made" shop`,
      },
    ]) {
      // As root, like a plain `docker run`: the entry point gives that up by itself.
      await cluster.create({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace, name },
        spec: {
          containers: [
            {
              name,
              image,
              env: Object.entries(env).map(([variable, value]) => ({ name: variable, value })),
              volumeMounts: [{ name: 'first-start', mountPath: '/docker-entrypoint-initdb.d' }],
            },
          ],
          volumes: [{ name: 'first-start', configMap: { name: 'first-start' } }],
        },
      })
      const answer = await cluster.until(
        `${name} answers`,
        () => kubectl('exec', name, '--', 'bash', '-c', question).catch(() => undefined),
        120,
      )
      t.equal(answer, 'jane 0\n', name)
      t.match(await kubectl('logs', name), /told as 999/, `${name} runs scripts as its own user`)
      await kubectl('delete', 'pod', name, '--grace-period=30')
    }
  })

  for (const engine of [postgresql(cluster.versions.postgresql), mysql(cluster.versions.mysql)]) {
    t.test(`${engine.name} ${engine.version}`, async (t) => {
      const namespace = await cluster.namespace(engine.name)
      const reference = databaseAt(namespace, 'db')
      const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
      await cluster.create(s3Secret(namespace))
      await cluster.create(client(namespace, engine))
      const asApp = (statement: string) => kubectl('exec', 'client', '--', 'bash', '-c', engine.app, 'bash', statement)

      const restored = async (pod: KubernetesObject, name: string) => {
        await cluster.create(pod)
        await cluster.until(
          `Pod/${name} has succeeded`,
          async () => {
            const phase = await kubectl('get', 'pod', name, '-ojsonpath={.status.phase}')
            if (phase === 'Failed') throw new Error(await kubectl('logs', name, '--all-containers'))
            return phase === 'Succeeded'
          },
          120,
        )
      }

      await t.test('becomes Ready under "restricted" pod security', async () => {
        await cluster.patch(
          { apiVersion: 'v1', kind: 'Namespace', name: namespace },
          { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
        )
        await cluster.apply(withBackup(namespace, engine))
        await untilPhase(cluster, reference, 'Running', 180)
        await untilCondition(cluster, reference, 'Ready', 'True')
        await kubectl('wait', '--for=condition=Ready', 'pod/client', '--timeout=120s')
        await untilServed(cluster, () => asApp('SELECT 1'))
      })

      await t.test('a row is written and read through the Service, with what the Secret says', async (t) => {
        await asApp('CREATE TABLE notes (id int PRIMARY KEY, text varchar(40))')
        await asApp("INSERT INTO notes VALUES (1, 'first')")
        t.equal(await asApp('SELECT text FROM notes'), 'first\n')
      })

      const monitor = { apiVersion: 'example.com/v1', kind: 'DatabaseMonitor', namespace, name: 'db' }
      // Exporter n asks replica n of the database.
      const exporter = `/dev/tcp/db-metrics-0.db-metrics/${engine.exporterPort}`
      const ask = `exec 3<>${exporter} && printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3`
      const metrics = () => kubectl('exec', 'client', '--', 'timeout', '10', 'bash', '-c', ask)
      const untilLoggedIn = () =>
        cluster.until('the exporter is logged in', async () => engine.up.test(await metrics().catch(() => '')), 120)

      await t.test('the exporter is logged in as a user of its own, and serves metrics', async () => {
        await untilCondition(cluster, monitor, 'Ready', 'True', 'Running')
        await untilLoggedIn()
      })

      await t.test('the row outlives the pod', async (t) => {
        await kubectl('delete', 'pod', 'db-0')
        await kubectl('wait', '--for=condition=Ready', 'pod/db-0', '--timeout=180s')
        await cluster.until('it is served again', () => asApp('SELECT text FROM notes').catch(() => undefined))
        t.equal(await asApp('SELECT text FROM notes'), 'first\n')
      })

      await t.test('a parameter is changed without a restart', async (t) => {
        const started = await startOf(kubectl)
        await cluster.patch(reference, { spec: { parameters: engine.parameter.setting } })
        // The kubelet renews mounted files about once a minute.
        await cluster.until(
          'the server has it',
          async () => (await asApp(engine.parameter.question)).trim() === engine.parameter.answer,
          180,
        )
        t.equal(await startOf(kubectl), started, 'the pod is the same')
      })

      await t.test('rotated passwords reach the server without a restart, and the exporter', async (t) => {
        const started = await startOf(kubectl)
        const exporterBefore = await uidOf(kubectl, 'db-metrics-0')
        const before = await passwordOf(kubectl)
        await cluster.patch(reference, { spec: { credentials: { rotation: 1 } } })
        await cluster.until('the Secret changed', async () => (await passwordOf(kubectl)) !== before)
        await kubectl('delete', 'pod', 'client', '--grace-period=0', '--force')
        await cluster.create(client(namespace, engine))
        await kubectl('wait', '--for=condition=Ready', 'pod/client', '--timeout=60s')
        await cluster.until(
          'the new password is good',
          async () => (await asApp('SELECT text FROM notes').catch(() => '')) === 'first\n',
          180,
        )
        const old = kubectl(
          'exec',
          'client',
          '--',
          'env',
          `PGPASSWORD=${before}`,
          `MYSQL_PWD=${before}`,
          'bash',
          '-c',
          engine.app,
          'bash',
          'SELECT 1',
        )
        await t.rejects(old, { message: engine.refusal })
        t.equal(await startOf(kubectl), started, 'the pod is the same')
        // Exporters read their password when they start.
        await cluster.until('the exporter is another one', async () => {
          const now = await uidOf(kubectl, 'db-metrics-0').catch(() => exporterBefore)
          return now !== exporterBefore
        })
        await untilCondition(cluster, monitor, 'Ready', 'True', 'Running')
        await untilLoggedIn()
      })

      await t.test('a backup goes to S3, and a lost row comes back from there', needsStore, async (t) => {
        await kubectl('create', 'job', 'by-hand', '--from=cronjob/db-backup')
        // What its pod told is in the status of the DatabaseBackup that the Database made.
        const backup = await untilEnded(databaseBackupAt(namespace, 'db-backup'), 'by-hand')
        const { name, size, location } = backup
        t.equal(location, `s3://${cluster.s3.bucket}/${namespace}/db/${name}`)
        t.ok(Number(size) > 0, 'it is of some size')
        await asApp('DROP TABLE notes')
        await t.rejects(asApp('SELECT text FROM notes'))
        await restored(restore(namespace, engine, String(name)), 'restore')
        t.equal(await asApp('SELECT text FROM notes'), 'first\n')
      })

      await t.test(
        'an encrypted backup is read back, restored into a scratch server, and by hand',
        needsStore,
        async (t) => {
          await cluster.create({
            apiVersion: 'v1',
            kind: 'Secret',
            metadata: { namespace, name: 'passphrase' },
            stringData: { passphrase },
          })
          await cluster.apply({
            apiVersion: 'example.com/v1',
            kind: 'DatabaseBackup',
            metadata: { namespace, name: 'once' },
            spec: {
              databaseRef: { name: 'db' },
              destination: { s3: s3() },
              encryption: { secretName: 'passphrase' },
              verify: true,
            },
          })
          const once = databaseBackupAt(namespace, 'once')
          const { name, encrypted } = await untilEnded(once, 'once-once')
          t.equal(encrypted, true)
          await untilCondition(cluster, once, 'Verified', 'True', 'Restored')
          await asApp("UPDATE notes SET text = 'changed'")
          await restored(restore(namespace, engine, String(name), 'sealed'), 'restore-sealed')
          t.equal(await asApp('SELECT text FROM notes'), 'first\n')
          // What lies there begins as rclone's encrypted files do, and not as a dump: https://rclone.org/crypt/#file-formats
          await restored(look(namespace, `${name}.sealed`), 'look')
          t.match(await kubectl('logs', 'look'), /^RCLONE/m)
        },
      )
    })
  }

  /** Waits for a backup that was stored, and gives what is said of it. */
  async function untilEnded(backup: ObjectReference, job: string): Promise<Record<string, unknown>> {
    const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${backup.namespace}`, ...args)
    return cluster.until(
      `the backup of Job/${job} is done`,
      async () => {
        const failed = await kubectl('get', 'job', job, '-ojsonpath={.status.failed}').catch(() => '')
        if (/[1-9]/.test(failed)) throw new Error(await kubectl('logs', `job/${job}`, '--all-containers'))
        const last = at(await cluster.get(backup), 'status', 'lastBackup')
        return isRecord(last) && last.job === job ? last : undefined
      },
      240,
    )
  }

  function s3() {
    const { bucket, endpoint } = cluster.s3
    return {
      bucket,
      endpoint,
      forcePathStyle: true,
      caSecret: { name: 's3' },
      credentialsSecret: { name: 's3' },
    }
  }

  function withBackup(namespace: string, { name, version }: Engine): KubernetesObject {
    const resources = { requests: { cpu: '100m', memory: '512Mi' } }
    return database(namespace, 'db', {
      engine: name,
      version,
      resources,
      monitoring: { enabled: true },
      ...(cluster.s3.endpoint && { backup: { enabled: true, schedule: '0 0 1 1 *', destination: { s3: s3() } } }),
    })
  }

  function s3Secret(namespace: string): KubernetesObject {
    return {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace, name: 's3' },
      stringData: {
        'ca.crt': cluster.s3.ca,
        'access-key-id': cluster.s3.accessKeyId,
        'secret-access-key': cluster.s3.secretAccessKey,
      },
    }
  }

  /** A pod with the engine's own client, which knows of the database what its Secret says. */
  function client(namespace: string, engine: Engine): KubernetesObject {
    return pod(namespace, 'client', {
      containers: [{ name: 'client', image: engine.image, command: ['sleep', 'infinity'], env: access(engine) }],
    })
  }

  /** Fetches a backup from S3, and puts it into the database as its administrator: from `sealed` where it is encrypted. */
  function restore(
    namespace: string,
    engine: Engine,
    backup: string,
    from: 'store' | 'sealed' = 'store',
  ): KubernetesObject {
    return pod(namespace, from === 'sealed' ? 'restore-sealed' : 'restore', {
      initContainers: [rclone(namespace, `rclone copyto "$FROM_${from}"${backup} /work/backup`)],
      containers: [
        {
          name: 'restore',
          image: engine.image,
          command: ['bash', '-ec', engine.restore],
          env: administrator(engine),
          volumeMounts: [{ name: 'work', mountPath: '/work' }],
        },
      ],
      volumes: storeVolumes,
    })
  }

  /** Shows how a file in the store begins. */
  function look(namespace: string, file: string): KubernetesObject {
    return pod(namespace, 'look', {
      containers: [rclone(namespace, `rclone copyto "$FROM_store"${file} /work/file && head -c 6 /work/file`)],
      volumes: storeVolumes,
    })
  }

  /** A container with rclone, which knows the namespace's folder as FROM_store, and as FROM_sealed decrypted. */
  function rclone(namespace: string, script: string): object {
    const remote = 'RCLONE_CONFIG_STORE'
    const sealed = 'RCLONE_CONFIG_SEALED'
    const fromSecret = (name: string, key: string) => ({ name, valueFrom: { secretKeyRef: { name: 's3', key } } })
    const folder = `store:${cluster.s3.bucket}/${namespace}/db`
    return {
      name: 'rclone',
      image: 'rclone/rclone:1.71.0',
      // As docs/database-backups.md has it.
      command: ['sh', '-ec', `export ${sealed}_PASSWORD="$(echo "$PASSPHRASE" | rclone obscure -)"; ${script}`],
      env: [
        { name: `${remote}_TYPE`, value: 's3' },
        { name: `${remote}_PROVIDER`, value: 'Other' },
        { name: `${remote}_ENV_AUTH`, value: 'true' },
        { name: `${remote}_ENDPOINT`, value: cluster.s3.endpoint },
        { name: `${remote}_FORCE_PATH_STYLE`, value: 'true' },
        { name: `${sealed}_TYPE`, value: 'crypt' },
        { name: `${sealed}_REMOTE`, value: folder },
        { name: `${sealed}_FILENAME_ENCRYPTION`, value: 'off' },
        { name: `${sealed}_DIRECTORY_NAME_ENCRYPTION`, value: 'false' },
        { name: `${sealed}_SUFFIX`, value: '.sealed' },
        { name: 'FROM_store', value: `${folder}/` },
        { name: 'FROM_sealed', value: 'sealed:' },
        { name: 'PASSPHRASE', value: passphrase },
        { name: 'RCLONE_CA_CERT', value: '/etc/s3/ca.crt' },
        { name: 'RCLONE_CONFIG', value: '/work/rclone.conf' },
        { name: 'HOME', value: '/work' },
        fromSecret('AWS_ACCESS_KEY_ID', 'access-key-id'),
        fromSecret('AWS_SECRET_ACCESS_KEY', 'secret-access-key'),
      ],
      volumeMounts: [
        { name: 'work', mountPath: '/work' },
        { name: 's3', mountPath: '/etc/s3' },
      ],
    }
  }
}

const passphrase = 'a passphrase of this test'
const storeVolumes = [
  { name: 'work', emptyDir: {} },
  { name: 's3', secret: { secretName: 's3' } },
]

interface Engine {
  name: string
  version: string
  image: string
  /** Bash: runs the statement in $1 as the application does. */
  app: string
  /** Bash: puts /work/backup into the database. */
  restore: string
  /** What it says when it is logged in. */
  up: RegExp
  exporterPort: number
  passwordVariable: string
  parameter: { setting: Record<string, string | number>; question: string; answer: string }
  refusal: RegExp
}

function postgresql(version: string): Engine {
  return {
    name: 'postgresql',
    version,
    image: `postgres:${version}`,
    app: 'psql --no-psqlrc --set=ON_ERROR_STOP=1 --quiet --tuples-only --no-align --host="$HOST" --username="$USERNAME" --dbname="$DBNAME" --command="$1"',
    restore: `
mkdir /work/dump && tar --extract --file=/work/backup --directory=/work/dump
while IFS=$'\\t' read -r oid name; do
  pg_restore --host=db --username=postgres --dbname="$name" --clean --if-exists --exit-on-error "/work/dump/$oid.dump"
done </work/dump/databases.tsv`,
    up: /^pg_up 1$/m,
    exporterPort: 9187,
    passwordVariable: 'PGPASSWORD',
    parameter: { setting: { work_mem: '7MB' }, question: 'SHOW work_mem', answer: '7MB' },
    refusal: /password authentication failed/,
  }
}

function mysql(version: string): Engine {
  return {
    name: 'mysql',
    version,
    image: `mysql:${version}`,
    app: 'mysql --host="$HOST" --user="$USERNAME" --batch --skip-column-names --execute="$1" "$DBNAME"',
    restore: 'gunzip --stdout /work/backup | mysql --host=db --user=root',
    up: /^mysql_up 1$/m,
    exporterPort: 9104,
    passwordVariable: 'MYSQL_PWD',
    parameter: { setting: { wait_timeout: 1234 }, question: 'SELECT @@global.wait_timeout', answer: '1234' },
    refusal: /Access denied/,
  }
}

const ofSecret = (name: string, key: string) => ({ name, valueFrom: { secretKeyRef: { name: 'db-secret', key } } })

function access({ passwordVariable }: Engine) {
  return [
    ofSecret(passwordVariable, 'password'),
    ofSecret('USERNAME', 'username'),
    ofSecret('HOST', 'host'),
    ofSecret('DBNAME', 'dbname'),
  ]
}

function administrator({ passwordVariable }: Engine) {
  return [ofSecret(passwordVariable, 'superuser-password')]
}

/** A pod that "restricted" admits. */
function pod(
  namespace: string,
  name: string,
  {
    initContainers = [],
    containers,
    volumes = [],
  }: { initContainers?: object[]; containers: object[]; volumes?: object[] },
): KubernetesObject {
  const closed = (container: object) => ({
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    ...container,
  })
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 999,
        runAsGroup: 999,
        fsGroup: 999,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      initContainers: initContainers.map(closed),
      containers: containers.map(closed),
      volumes,
    },
  }
}

const uidOf = (kubectl: (...args: string[]) => Promise<string>, pod: string) =>
  kubectl('get', 'pod', pod, '-ojsonpath={.metadata.uid}')

const startOf = (kubectl: (...args: string[]) => Promise<string>) =>
  kubectl('get', 'pod', 'db-0', '-ojsonpath={.metadata.uid} {.status.containerStatuses[0].state.running.startedAt}')

async function passwordOf(kubectl: (...args: string[]) => Promise<string>): Promise<string> {
  const encoded = await kubectl('get', 'secret', 'db-secret', '-ojsonpath={.data.password}')
  return Buffer.from(encoded, 'base64').toString()
}
