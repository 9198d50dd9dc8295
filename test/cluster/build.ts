// Where the control plane's binaries come from: built once from the pinned Go modules beside this file, kept in a
// cache outside the checkout, or given by KUBEBUILDER_ASSETS and METACONTROLLER_BIN.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/** Paths of everything a control plane runs, each with the arguments that come before its own. */
export interface Binaries {
  readonly etcd: readonly string[]
  readonly kubeApiserver: readonly string[]
  readonly kubeControllerManager: readonly string[]
  readonly kubeScheduler: readonly string[]
  readonly kubectl: readonly string[]
  readonly kwok: readonly string[]
  readonly metacontroller: readonly string[]
  /** The YAML file with Metacontroller's own CRDs, fit for `metacontroller`. */
  readonly metacontrollerCrds: string
}

/**
 * Finds or builds every binary. The first build takes minutes and says so on standard error; later calls take
 * milliseconds. KUBEBUILDER_ASSETS (a folder) replaces what it holds of etcd, kube-apiserver,
 * kube-controller-manager, kube-scheduler and kubectl; METACONTROLLER_BIN replaces Metacontroller and then needs
 * METACONTROLLER_CRDS, the file of the CRDs of that version.
 */
export async function ensureBinaries(env: NodeJS.ProcessEnv = process.env): Promise<Binaries> {
  const given = givenKubernetes(env.KUBEBUILDER_ASSETS)
  const controller = givenMetacontroller(env.METACONTROLLER_BIN, env.METACONTROLLER_CRDS)
  const complete = kubernetesPrograms.every((program) => given[program] !== undefined)
  const kubernetes = complete ? undefined : await ensureBuilt('kubernetes', env)
  const kwok = await ensureBuilt('kwok', env)
  const built = controller ?? (await ensureBuiltMetacontroller(env))

  const program = (name: KubernetesProgram): string[] => {
    const path = given[name]
    if (path !== undefined) return [path]
    if (kubernetes === undefined) throw new Error(`${name} was neither given nor built`)
    return [join(kubernetes, 'kubernetes'), name]
  }
  return {
    etcd: program('etcd'),
    kubeApiserver: program('kube-apiserver'),
    kubeControllerManager: program('kube-controller-manager'),
    kubeScheduler: program('kube-scheduler'),
    kubectl: program('kubectl'),
    kwok: [join(kwok, 'kwok')],
    metacontroller: [built.binary],
    metacontrollerCrds: built.crds,
  }
}

/** kube-score, which lints objects; built the first time. */
export async function ensureKubeScore(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  return join(await ensureBuilt('lint', env), 'lint')
}

const kubernetesPrograms = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl'] as const
type KubernetesProgram = (typeof kubernetesPrograms)[number]

/** The folder convention of controller-runtime's envtest: etcd and kube-apiserver must be there, the rest may. */
function givenKubernetes(folder: string | undefined): Partial<Record<KubernetesProgram, string>> {
  if (!folder) return {}
  const found: Partial<Record<KubernetesProgram, string>> = {}
  for (const program of kubernetesPrograms) {
    const path = join(folder, program)
    if (existsSync(path)) found[program] = path
  }
  for (const needed of ['etcd', 'kube-apiserver'] as const) {
    if (!found[needed]) throw new Error(`KUBEBUILDER_ASSETS is ${folder}, which holds no ${needed}`)
  }
  return found
}

function givenMetacontroller(binary: string | undefined, crds: string | undefined) {
  if (!binary) return undefined
  if (!existsSync(binary)) throw new Error(`METACONTROLLER_BIN is ${binary}, which does not exist`)
  if (!crds) {
    throw new Error('METACONTROLLER_BIN is set, so METACONTROLLER_CRDS must name the YAML file with the CRDs of it')
  }
  if (!existsSync(crds)) throw new Error(`METACONTROLLER_CRDS is ${crds}, which does not exist`)
  return { binary, crds }
}

async function ensureBuiltMetacontroller(env: NodeJS.ProcessEnv) {
  const folder = await ensureBuilt('metacontroller', env)
  return { binary: join(folder, 'metacontroller'), crds: join(folder, 'crds.yaml') }
}

/** One Go module beside this file and what is built of it. */
interface Recipe {
  /** The module whose version is the build's. */
  readonly module: string
  /** The package, as `go build` wants it. */
  readonly target: string
  readonly expectedMinutes: number
  ldflags?(version: string): string[]
  /** A file of the module that is kept beside the binary: [path inside the module, its name in the cache]. */
  readonly keep?: readonly [string, string]
}

const recipes: Record<'kubernetes' | 'kwok' | 'lint' | 'metacontroller', Recipe> = {
  kubernetes: {
    module: 'k8s.io/kubernetes',
    target: '.',
    expectedMinutes: 5,
    // Without them the API server calls itself v0.0.0 and clients refuse to parse it.
    ldflags: (version) => {
      const [major = '', minor = ''] = version.slice(1).split('.')
      return ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((name) => [
        `-X ${name}.gitVersion=${version}`,
        `-X ${name}.gitMajor=${major}`,
        `-X ${name}.gitMinor=${minor}`,
      ])
    },
  },
  lint: {
    module: 'github.com/zegl/kube-score',
    target: 'github.com/zegl/kube-score/cmd/kube-score',
    expectedMinutes: 1,
  },
  kwok: { module: 'sigs.k8s.io/kwok', target: 'sigs.k8s.io/kwok/cmd/kwok', expectedMinutes: 1 },
  metacontroller: {
    module: 'metacontroller',
    target: 'metacontroller',
    expectedMinutes: 1,
    keep: ['manifests/production/metacontroller-crds-v1.yaml', 'crds.yaml'],
  },
}

/** The folder in the cache that holds the binary, built now if it is not there. */
async function ensureBuilt(name: keyof typeof recipes, env: NodeJS.ProcessEnv): Promise<string> {
  const source = join(import.meta.dirname, 'go', name)
  const version = moduleVersion(source, recipes[name].module)
  const entry = `${name}-${version}-${fingerprint(source)}-${process.platform}-${process.arch}`
  const folder = join(cacheFolder(env), entry)
  if (existsSync(folder)) return folder
  mkdirSync(dirname(folder), { recursive: true })
  const release = await lock(`${folder}.lock`, name)
  try {
    // Another builder may have finished while this one waited for the lock.
    if (!existsSync(folder)) await build(name, version, source, folder, env)
  } finally {
    release()
  }
  return folder
}

function cacheFolder(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'operator-hooks')
}

async function build(
  name: keyof typeof recipes,
  version: string,
  source: string,
  folder: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const recipe = recipes[name]
  const goEnv = { ...env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly', GOWORK: 'off' }
  requireGo(source, goEnv)
  const partial = `${folder}.partial`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial)
  const ldflags = ['-s', '-w', ...(recipe.ldflags?.(version) ?? [])].join(' ')
  const args = ['build', '-trimpath', '-ldflags', ldflags, '-o', join(partial, name), recipe.target]
  const done = progress(`building ${name} ${version}, once (about ${recipe.expectedMinutes} min on two cores)`)
  const { code, output } = await run('go', args, source, goEnv)
  done(code === 0)
  if (code !== 0) throw new Error(`go ${args.join(' ')} in ${source} failed:\n${output.slice(-4000)}`)
  if (recipe.keep) {
    const [from, to] = recipe.keep
    const listed = spawnSync('go', ['list', '-m', '-f', '{{.Dir}}', recipe.module], { cwd: source, env: goEnv })
    writeFileSync(join(partial, to), readFileSync(join(listed.stdout.toString().trim(), from)))
  }
  // One rename is what makes it visible, so a build that was cut short is never taken for a finished one.
  renameSync(partial, folder)
}

/** The YAML files of the CRDs of each optional API, as its own project ships them, by the name of its decorator. */
export type OptionalCrds = Readonly<Record<keyof typeof optionalApis, readonly string[]>>

/**
 * The CRDs of the optional APIs, from the Go modules that go/crds/go.mod pins. Fetched once (some 100 MB), then kept in
 * the cache like the binaries.
 */
export async function ensureCrds(env: NodeJS.ProcessEnv = process.env): Promise<OptionalCrds> {
  const source = join(import.meta.dirname, 'go', 'crds')
  const folder = join(cacheFolder(env), `crds-${fingerprint(source, [JSON.stringify(optionalApis)])}`)
  if (!existsSync(folder)) {
    mkdirSync(dirname(folder), { recursive: true })
    const release = await lock(`${folder}.lock`, 'crds')
    try {
      if (!existsSync(folder)) await fetchCrds(source, folder, env)
    } finally {
      release()
    }
  }
  const kept = Object.entries(optionalApis).map(([name, { files }]) => [
    name,
    files.map((file) => join(folder, basename(file))),
  ])
  return Object.fromEntries(kept) as OptionalCrds
}

/** Where each project keeps its CRDs: the module, and the files that hold what a decorator makes or reads. */
const optionalApis = {
  'prometheus-operator': {
    module: 'github.com/prometheus-operator/prometheus-operator',
    files: ['servicemonitors', 'podmonitors', 'prometheusrules'].map(
      (plural) => `example/prometheus-operator-crd/monitoring.coreos.com_${plural}.yaml`,
    ),
  },
  'gateway-api': {
    module: 'sigs.k8s.io/gateway-api',
    files: ['config/crd/standard/gateway.networking.k8s.io_httproutes.yaml'],
  },
  'cert-manager': {
    module: 'github.com/cert-manager/cert-manager',
    files: ['deploy/crds/cert-manager.io_certificates.yaml'],
  },
  keda: { module: 'github.com/kedacore/keda/v2', files: ['config/crd/bases/keda.sh_scaledobjects.yaml'] },
  'volume-snapshots': {
    module: 'github.com/kubernetes-csi/external-snapshotter/client/v8',
    files: ['config/crd/snapshot.storage.k8s.io_volumesnapshots.yaml'],
  },
  velero: { module: 'github.com/vmware-tanzu/velero', files: ['config/crd/v1/bases/velero.io_schedules.yaml'] },
  istio: { module: 'istio.io/api', files: ['kubernetes/customresourcedefinitions.gen.yaml'] },
  'external-secrets': {
    module: 'github.com/external-secrets/external-secrets',
    files: ['config/crds/bases/external-secrets.io_externalsecrets.yaml'],
  },
} as const

async function fetchCrds(source: string, folder: string, env: NodeJS.ProcessEnv): Promise<void> {
  const goEnv = { ...env, GOFLAGS: '-mod=readonly', GOWORK: 'off' }
  requireGo(source, goEnv)
  const apis = Object.values(optionalApis)
  const wanted = apis.map(({ module }) => `${module}@${moduleVersion(source, module)}`)
  const done = progress('fetching the CRDs of the optional APIs, once')
  const { code, output } = await run('go', ['mod', 'download', '-json', ...wanted], source, goEnv)
  done(code === 0)
  if (code !== 0) throw new Error(`go mod download ${wanted.join(' ')} failed:\n${output.slice(-4000)}`)
  const folders = new Map([...output.matchAll(/"Path": "(.*)"[^}]*"Dir": "(.*)"/g)].map(([, path, at]) => [path, at]))
  const partial = `${folder}.partial`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial)
  for (const { module, files } of apis) {
    const at = folders.get(module)
    if (at === undefined) throw new Error(`go mod download did not say where ${module} is:\n${output.slice(-4000)}`)
    for (const file of files) writeFileSync(join(partial, basename(file)), readFileSync(join(at, file)))
  }
  renameSync(partial, folder)
}

/** The version that go.mod pins a module to; a `replace` counts before a `require`. */
function moduleVersion(source: string, module: string): string {
  const lines = readFileSync(join(source, 'go.mod'), 'utf8').split('\n')
  const replaced = lines.find((line) => line.replace(/^replace /, '').startsWith(`${module} =>`))
  const required = lines.find((line) => line.trim().split(' ')[0] === module)
  const version = (replaced ?? required)?.match(/ (v[0-9][^ ]*)(?: \/\/.*)?$/)?.[1]
  if (!version) throw new Error(`${join(source, 'go.mod')} pins no version of ${module}`)
  return version
}

function fingerprint(source: string, further: readonly string[] = []): string {
  const hash = createHash('sha256')
  for (const text of further) hash.update(text)
  for (const file of ['go.mod', 'go.sum', 'main.go']) {
    const path = join(source, file)
    if (existsSync(path)) hash.update(file).update(readFileSync(path))
  }
  return hash.digest('hex').slice(0, 12)
}

/** `go version` inside the module, where a Go that may fetch a newer toolchain of its own does so. */
function requireGo(source: string, env: NodeJS.ProcessEnv): void {
  const needed = readFileSync(join(source, 'go.mod'), 'utf8').match(/^go (\d+)\.(\d+)/m)
  const [, major = '1', minor = '0'] = needed ?? []
  const said = spawnSync('go', ['version'], { cwd: source, env, encoding: 'utf8' })
  const help = `Go ${major}.${minor} or newer is needed once, to build the control plane (https://go.dev/dl)`
  if (said.error) throw new Error(`${help}; "go" could not be run: ${said.error.message}`)
  if (said.status !== 0) throw new Error(`${help}; "go version" says: ${said.stderr.trim()}`)
  const [, hasMajor = '0', hasMinor = '0'] = said.stdout.match(/go(\d+)\.(\d+)/) ?? []
  const older = Number(hasMajor) < Number(major) || (hasMajor === major && Number(hasMinor) < Number(minor))
  if (older) throw new Error(`${help}; "go version" says: ${said.stdout.trim()}`)
}

/** Takes the lock file, waiting for a live holder and ignoring a dead one. Returns what gives it back. */
async function lock(path: string, name: string): Promise<() => void> {
  for (let waited = 0; ; waited++) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' })
      return () => rmSync(path, { force: true })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
    if (!holderLives(path)) rmSync(path, { force: true })
    else if (waited % 20 === 0) process.stderr.write(`waiting for another build of ${name} (${path})\n`)
    await wait(1000)
  }
}

function holderLives(path: string): boolean {
  try {
    const pid = Number(readFileSync(path, 'utf8'))
    // Just created and not yet written, or gone again: either way ask once more later.
    if (pid === 0) return true
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv) {
  return new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}

/** Tells on standard error what goes on and for how long; the function returned ends it. */
function progress(what: string): (ok: boolean) => void {
  const live = process.stderr.isTTY
  const started = Date.now()
  const seconds = () => Math.round((Date.now() - started) / 1000)
  const say = () => process.stderr.write(live ? `\r${what}: ${seconds()} s ` : `${what}: ${seconds()} s\n`)
  say()
  const timer = setInterval(say, live ? 1000 : 20_000)
  return (ok) => {
    clearInterval(timer)
    process.stderr.write(`${live ? '\r' : ''}${what}: ${ok ? 'done' : 'failed'} after ${seconds()} s\n`)
  }
}
