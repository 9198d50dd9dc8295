// The images that pods on the node are made of. No registry is asked: each is made on the spot and bears the name by
// which the suite's objects ask for it, with the contract of the image that usually bears it.
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  cpSync,
  createReadStream,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { engines } from '../../hooks/kinds/database/engines/index.ts'
import { thisBuild } from '../../hooks/server/build.ts'
import { makeBundle } from '../../scripts/build.ts'
import { ensureCached, step } from '../cluster/build.ts'
import { ensureKubeStateMetrics, ensureMetricsServer, type NodeBinaries } from './build.ts'
import { digest, ensureRootfs, ensureUnpacked, packageVersion, type RootfsRecipe } from './debian.ts'

export interface Image {
  /** What a pod writes: postgres:17.6 */
  readonly name: string
  /** A folder with what a docker-archive is: manifest.json, the configuration and the layers. */
  readonly folder: string
}

/** The versions of the engines that there are images of, as spec.version of a Database has them. */
export interface EngineVersions {
  readonly postgresql: string
  readonly mysql: string
}

export interface Images {
  readonly all: readonly Image[]
  readonly versions: EngineVersions
}

/** Names of the images that are no engine's. */
export const ownImages = {
  pause: 'node.test/pause:1',
  tools: 'node.test/tools:1',
  coredns: 'node.test/coredns:1',
  localPathProvisioner: 'node.test/local-path-provisioner:1',
  metricsServer: 'node.test/metrics-server:1',
  s3: 'node.test/s3:1',
  witness: 'node.test/witness:1',
  // Debian's versions of them, under the names of the official images.
  postgresExporter: engines().postgresql.exporter.image,
  mysqldExporter: engines().mysql.exporter.image,
} as const

/** The name that a Database's backup asks for; the binary is of that version (go/rclone/go.mod). */
const rcloneImage = 'rclone/rclone:1.71.0'

/** Prometheus and promtool, as Debian has them. */
export const ensurePrometheusRootfs = () =>
  // The one release of Debian that has version 3.
  ensureRootfs({ name: 'prometheus', suite: 'sid', packages: ['prometheus', 'promtool'] })

/** The image of addons/metrics.yaml. */
export async function ensureMetricsImages(): Promise<Image[]> {
  return [await smallImage(ownImages.metricsServer, join(await ensureMetricsServer(), 'metrics-server'), {})]
}

/** The images of addons/monitoring.yaml, under the names that it asks for. */
export async function ensureMonitoringImages(): Promise<Image[]> {
  const prometheus = await ensurePrometheusRootfs()
  const metrics = join(await ensureKubeStateMetrics(), 'kube-state-metrics')
  return [
    await ensureImage(
      'quay.io/prometheus/prometheus:v3.5.3',
      { Entrypoint: ['/usr/bin/prometheus'], WorkingDir: '/prometheus' },
      digest(prometheus),
      prometheus,
    ),
    await smallImage('registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.15.0', metrics, {
      Entrypoint: ['kube-state-metrics'],
    }),
  ]
}

async function smallImage(name: string, program: string | undefined, config: ImageConfig): Promise<Image> {
  const busybox = await ensureUnpacked('busybox-static')
  return ensureImage(name, config, digest([program, config]), async (root) => busyboxRoot(root, busybox, program))
}

/** What is in the images of packages: it takes the network and a disk more than a processor. */
export async function ensureImageRootfs() {
  return {
    postgres: await ensureRootfs(postgresRecipe),
    mysql: await ensureRootfs(mysqlRecipe),
    exporters: await ensureRootfs(exportersRecipe),
    agent: await ensureRootfs(postgresqlAgentRecipe),
  }
}

/** Finds or makes every image that all tests need. */
export async function ensureImages(binaries: NodeBinaries): Promise<Images> {
  const { postgres, mysql, exporters, agent } = await ensureImageRootfs()
  const exporter = (name: string, program: string) =>
    ensureImage(name, { Entrypoint: [`/usr/bin/prometheus-${program}`] }, digest(exporters), exporters)
  const versions = {
    postgresql: packageVersion(postgres, 'postgresql-17'),
    mysql: packageVersion(mysql, mysqlPackage),
  }
  const all = [
    await smallImage(ownImages.pause, undefined, {
      Cmd: ['sh', '-c', 'trap exit TERM; while :; do sleep 3600 & wait; done'],
    }),
    await smallImage(ownImages.tools, undefined, {}),
    await smallImage(ownImages.coredns, join(binaries.coredns, 'coredns'), {}),
    await smallImage(ownImages.localPathProvisioner, join(binaries.localPathProvisioner, 'local-path-provisioner'), {}),
    await smallImage(ownImages.s3, join(binaries.versitygw, 'versitygw'), {}),
    await smallImage(ownImages.witness, join(binaries.witness, 'witness'), { Entrypoint: ['witness'] }),
    await smallImage(rcloneImage, join(binaries.rclone, 'rclone'), { Entrypoint: ['rclone'] }),
    await ensureImage(
      `postgres:${versions.postgresql}`,
      postgresConfig(versions.postgresql),
      digest(postgres),
      postgres,
    ),
    await ensureImage(postgresqlAgentImage, postgresqlAgentConfig, digest(agent), async (root) =>
      postgresqlAgentRoot(root, agent),
    ),
    await exporter(ownImages.postgresExporter, 'postgres-exporter'),
    await exporter(ownImages.mysqldExporter, 'mysqld-exporter'),
    await ensureImage(`mysql:${versions.mysql}`, mysqlConfig(versions.mysql), digest(mysql), mysql),
    await ensureSuiteImage(exporters),
  ]
  return { all, versions }
}

/** The root file system that an engine's image is made of. */
export const ensureEngineRootfs = (engine: keyof EngineVersions) =>
  ensureRootfs({ postgresql: postgresRecipe, mysql: mysqlRecipe }[engine])

/** The part of https://github.com/opencontainers/image-spec/blob/main/config.md that is used here. */
interface ImageConfig {
  Env?: readonly string[]
  Entrypoint?: readonly string[]
  Cmd?: readonly string[]
  StopSignal?: string
  WorkingDir?: string
  ExposedPorts?: Readonly<Record<string, object>>
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const entrypoint = '/usr/local/bin/docker-entrypoint.sh'
const script = (name: string) => readFileSync(join(import.meta.dirname, 'images', name), 'utf8')

// User and group 999 and the paths are those of the official image: pods run as that user, on volumes of that group.
const postgresRecipe: RootfsRecipe = {
  name: 'postgres',
  suite: 'trixie',
  packages: ['postgresql-17', 'locales'],
  before: `
groupadd --system --gid 999 postgres
useradd --system --gid 999 --uid 999 --home-dir /var/lib/postgresql --shell /bin/bash postgres
mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf`,
  after: `
localedef --inputfile=en_US --force --charmap=UTF-8 --alias-file=/usr/share/locale/locale.alias en_US.UTF-8
mkdir -p /docker-entrypoint-initdb.d /var/lib/postgresql/data /run/postgresql
chown 999:999 /var/lib/postgresql /var/lib/postgresql/data /run/postgresql
chmod 1777 /var/lib/postgresql/data
chmod 3777 /run/postgresql`,
  files: { [entrypoint]: script('postgres.sh') },
}

function postgresConfig(version: string): ImageConfig {
  const major = version.split('.')[0]
  return {
    Env: [
      `PATH=/usr/lib/postgresql/${major}/bin:${path}`,
      'LANG=en_US.utf8',
      `PG_MAJOR=${major}`,
      `PG_VERSION=${version}`,
      'PGDATA=/var/lib/postgresql/data',
    ],
    Entrypoint: ['docker-entrypoint.sh'],
    Cmd: ['postgres'],
    StopSignal: 'SIGINT',
    ExposedPorts: { '5432/tcp': {} },
  }
}

// The same packages and the same script that deploy/postgresql-agent/Dockerfile makes the image of.
const agentFolder = join(import.meta.dirname, '..', '..', 'deploy', 'postgresql-agent')
const postgresqlAgentRecipe: RootfsRecipe = {
  name: 'postgresql-agent',
  suite: 'trixie',
  packages: readFileSync(join(agentFolder, 'packages.txt'), 'utf8').trim().split('\n'),
  after: `
mkdir /tmp/src
${['collect.sh', 'member.py', 'services.py'].map(copied).join('')}sh /tmp/src/collect.sh /agent`,
}

function copied(name: string): string {
  return `cat >/tmp/src/${name} <<'END-OF-FILE'\n${readFileSync(join(agentFolder, name), 'utf8')}END-OF-FILE\n`
}

/** What the service asks for unless it is told otherwise. */
const postgresqlAgentImage = `operator-hooks-postgresql-agent:${thisBuild().version}`
const postgresqlAgentConfig: ImageConfig = {
  Entrypoint: ['/bin/busybox'],
  Cmd: ['cp', '-R', '/agent/.', '/opt/agent/'],
}

async function postgresqlAgentRoot(root: string, agent: string): Promise<void> {
  mkdirSync(join(root, 'bin'), { recursive: true })
  copyFileSync(join(agent, 'usr/bin/busybox'), join(root, 'bin/busybox'))
  await step('taking what was collected', ['cp', '-a', join(agent, 'agent'), root], '/')
}

const exportersRecipe: RootfsRecipe = {
  name: 'exporters',
  suite: 'trixie',
  packages: ['prometheus-postgres-exporter', 'prometheus-mysqld-exporter'],
}

const mysqlPackage = 'mysql-server-core'
const mysqlRecipe: RootfsRecipe = {
  name: 'mysql',
  // The one release of Debian that has a MySQL server.
  suite: 'sid',
  packages: [mysqlPackage, 'mysql-client-core'],
  before: `
groupadd --system --gid 999 mysql
useradd --system --gid 999 --uid 999 --home-dir /var/lib/mysql --shell /bin/false mysql`,
  after: `
rm -rf /var/lib/mysql /etc/mysql
mkdir -p /etc/mysql/conf.d /docker-entrypoint-initdb.d /var/lib/mysql /var/lib/mysql-files /run/mysqld
cat >/etc/my.cnf <<'END'
[mysqld]
host_cache_size = 0
skip_name_resolve = ON
datadir = /var/lib/mysql
socket = /var/run/mysqld/mysqld.sock
secure_file_priv = /var/lib/mysql-files
user = mysql
pid_file = /var/run/mysqld/mysqld.pid
[client]
socket = /var/run/mysqld/mysqld.sock
!includedir /etc/mysql/conf.d/
END
chown 999:999 /var/lib/mysql /var/lib/mysql-files /run/mysqld
chmod 1777 /var/lib/mysql /run/mysqld`,
  files: { [entrypoint]: script('mysql.sh') },
}

function mysqlConfig(version: string): ImageConfig {
  return {
    Env: [`PATH=${path}`, `MYSQL_MAJOR=${version.split('.').slice(0, 2).join('.')}`, `MYSQL_VERSION=${version}`],
    Entrypoint: ['docker-entrypoint.sh'],
    Cmd: ['mysqld'],
    ExposedPorts: { '3306/tcp': {} },
  }
}

/** Busybox with all its commands, and one program in the root beside it. */
async function busyboxRoot(root: string, busybox: string, program: string | undefined): Promise<void> {
  for (const folder of ['bin', 'etc', 'tmp', 'usr/local/bin']) mkdirSync(join(root, folder), { recursive: true })
  // Debian 12 has it in /bin, Debian 13 in /usr/bin.
  const packed = ['bin/busybox', 'usr/bin/busybox'].map((name) => join(busybox, name)).find((name) => existsSync(name))
  if (packed === undefined) throw new Error(`${busybox} holds no busybox`)
  copyFileSync(packed, join(root, 'bin/busybox'))
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n')
  const install =
    'for name in $("$1/bin/busybox" --list); do [ -e "$1/bin/$name" ] || ln -s busybox "$1/bin/$name"; done'
  await step('making an image of busybox', ['sh', '-c', install, 'sh', root], '/')
  if (program !== undefined)
    copyFileSync(program, join(root, 'usr/local/bin', program.slice(program.lastIndexOf('/') + 1)))
}

/**
 * The suite's own image as the Dockerfile makes it: Node without a shell, and the bundle of this checkout as it is now.
 * Node's layer comes from the cache, and its libraries from the Debian system `debian`.
 */
async function ensureSuiteImage(debian: string): Promise<Image> {
  const program = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', 'node')
  const runtime = await ensureCached(`layer-node-${digest([process.version, debian])}`, async (partial) => {
    const root = join(partial, 'root')
    mkdirSync(join(root, 'nodejs', 'bin'), { recursive: true })
    copyFileSync(program, join(root, 'nodejs', 'bin', 'node'))
    for (const path of librariesOf(debian)) {
      mkdirSync(join(root, dirname(path)), { recursive: true })
      copyFileSync(join(debian, path), join(root, path))
    }
    await pack('Node', root, join(partial, 'layer.tar'))
    rmSync(root, { recursive: true })
  })
  const work = mkdtempSync(join(tmpdir(), 'operator-hooks-image-'))
  try {
    const { version, identity, outdir } = await makeBundle(join(work, 'bundle'))
    const config = { Entrypoint: ['/nodejs/bin/node', '/app/operator-hooks.mjs'], Cmd: ['serve'], WorkingDir: '/app' }
    const name = `operator-hooks:${version}`
    const folder = await ensureCached(
      `image-operator-hooks-${digest([identity, runtime, config])}`,
      async (partial) => {
        const [below, above] = [join(partial, 'runtime.tar'), join(partial, 'bundle.tar')]
        linkSync(join(runtime, 'layer.tar'), below)
        const root = join(partial, 'root')
        cpSync(outdir, join(root, 'app'), { recursive: true, filter: (path) => !path.endsWith('.map') })
        await pack(`the image ${name}`, root, above)
        rmSync(root, { recursive: true })
        await writeArchive(partial, name, config, [below, above])
      },
    )
    return { name, folder }
  } finally {
    rmSync(work, { recursive: true })
  }
}

/** What Node is linked with, and the loader, by their paths in a Debian system. */
function librariesOf(debian: string): string[] {
  const [triplet, loader] =
    process.arch === 'arm64'
      ? ['aarch64-linux-gnu', 'lib/ld-linux-aarch64.so.1']
      : ['x86_64-linux-gnu', 'lib64/ld-linux-x86-64.so.2']
  const names = ['libc.so.6', 'libdl.so.2', 'libgcc_s.so.1', 'libm.so.6', 'libpthread.so.0', 'libstdc++.so.6']
  const paths = [loader, ...names.map((name) => `usr/lib/${triplet}/${name}`)]
  const missing = paths.filter((path) => !existsSync(join(debian, path))).map((path) => basename(path))
  if (missing.length > 0) throw new Error(`${debian} has no ${missing.join(', ')}, which Node needs`)
  return paths
}

/** `content` is a root file system that is there, or makes one; `key` changes when it does. */
async function ensureImage(
  name: string,
  config: ImageConfig,
  key: string,
  content: string | ((root: string) => Promise<void>),
): Promise<Image> {
  const entry = `image-${name.replace(/[^a-z0-9.]+/g, '-')}-${digest([key, config])}`
  const folder = await ensureCached(entry, async (partial) => {
    const root = typeof content === 'string' ? content : join(partial, 'root')
    if (typeof content !== 'string') await content(root)
    const layer = join(partial, 'layer.tar')
    await pack(`the image ${name}`, root, layer)
    if (typeof content !== 'string') rmSync(root, { recursive: true })
    await writeArchive(partial, name, config, [layer])
  })
  return { name, folder }
}

function pack(what: string, root: string, layer: string): Promise<void> {
  const flags = [`--file=${layer}`, `--directory=${root}`, '--numeric-owner', '--exclude=./dev/*']
  return step(`packing ${what}`, ['tar', '--create', ...flags, '.'], '/')
}

/** https://github.com/moby/moby/blob/v28.0.0/image/spec/spec.md: the combined image JSON and file system. */
async function writeArchive(
  folder: string,
  name: string,
  config: ImageConfig,
  layers: readonly string[],
): Promise<void> {
  const digests = await Promise.all(layers.map(digestOf))
  const image = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Env: [`PATH=${path}`], ...config },
    rootfs: { type: 'layers', diff_ids: digests.map((each) => `sha256:${each}`) },
    history: layers.map(() => ({ created_by: 'operator-hooks node tier' })),
  })
  const id = createHash('sha256').update(image).digest('hex')
  const [repository = ''] = name.split('/')
  // Names without a host are Docker Hub's, and those of one word its library's.
  const host = name.includes('/') ? (repository.includes('.') ? '' : 'docker.io/') : 'docker.io/library/'
  const paths = layers.map((layer, index) => {
    const to = join(digests[index] ?? '', 'layer.tar')
    mkdirSync(join(folder, dirname(to)))
    renameSync(layer, join(folder, to))
    return to
  })
  writeFileSync(join(folder, `${id}.json`), image)
  writeFileSync(
    join(folder, 'manifest.json'),
    JSON.stringify([{ Config: `${id}.json`, RepoTags: [`${host}${name}`], Layers: paths }]),
  )
}

async function digestOf(file: string): Promise<string> {
  const sum = createHash('sha256')
  await pipeline(createReadStream(file), sum)
  return sum.digest('hex')
}
