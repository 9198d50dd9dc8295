// Binaries are built once, into a cache, or taken from where the environment says; what is missing is named.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ensureBinaries } from './build.ts'

const built = await ensureBinaries()

t.test('what the environment gives is taken', async (t) => {
  const assets = assetsIn(t.testdir(), ['etcd', 'kube-apiserver'])
  const crds = join(assets, 'crds.yaml')
  writeFileSync(crds, '')
  const METACONTROLLER_BIN = join(assets, 'etcd')
  const binaries = await ensureBinaries({
    ...process.env,
    KUBEBUILDER_ASSETS: assets,
    METACONTROLLER_BIN,
    METACONTROLLER_CRDS: crds,
  })
  t.same(binaries.etcd, [join(assets, 'etcd')])
  t.same(binaries.kubeApiserver, [join(assets, 'kube-apiserver')])
  t.same(binaries.kubectl, built.kubectl, 'what the folder lacks is built')
  t.same(binaries.metacontroller, [METACONTROLLER_BIN])
  t.equal(binaries.metacontrollerCrds, crds)
})

t.test('what is wrong is named', async (t) => {
  const folder = t.testdir()
  const assets = assetsIn(folder, ['etcd'])
  const cases: [NodeJS.ProcessEnv, RegExp][] = [
    [{ KUBEBUILDER_ASSETS: assets }, /KUBEBUILDER_ASSETS is .*, which holds no kube-apiserver/],
    [{ METACONTROLLER_BIN: '/nowhere/metacontroller' }, /METACONTROLLER_BIN is .*, which does not exist/],
    [{ METACONTROLLER_BIN: join(assets, 'etcd') }, /METACONTROLLER_CRDS must name/],
    [{ XDG_CACHE_HOME: folder, PATH: assets }, /Go 1\.\d+ or newer is needed.*"go" could not be run/],
    [{ XDG_CACHE_HOME: folder, PATH: oldGo(folder) }, /Go 1\.\d+ or newer is needed.*go1\.20/],
  ]
  for (const [env, message] of cases) await t.rejects(ensureBinaries({ ...process.env, ...env }), { message })
})

t.test('two builders at once build once', { timeout: 600_000 }, async (t) => {
  const folder = t.testdir()
  const env = {
    ...process.env,
    XDG_CACHE_HOME: folder,
    // Go's own cache is below XDG_CACHE_HOME too, where nobody says otherwise; compiling anew would take minutes.
    GOCACHE: execFileSync('go', ['env', 'GOCACHE'], { encoding: 'utf8' }).trim(),
    // Kubernetes itself would take minutes where Go's own cache is cold; the rest shows the same.
    KUBEBUILDER_ASSETS: assetsIn(folder, [
      'etcd',
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
      'kubectl',
    ]),
  }
  const [one, other] = await Promise.all([ensureBinaries(env), ensureBinaries(env)])
  t.same(one, other)
  const cache = join(folder, 'operator-hooks')
  t.same(
    readdirSync(cache).map((entry) => entry.split('-')[0]),
    ['kwok', 'metacontroller'],
    'no lock and no half of a build is left',
  )
  const time = () => statSync(String(one.kwok[0])).mtimeMs
  const before = time()
  await ensureBinaries(env)
  t.equal(time(), before, 'a third finds it there')
})

/** A folder as KUBEBUILDER_ASSETS has it: the one binary goes by the name it is called under. */
function assetsIn(folder: string, programs: string[]): string {
  const assets = join(folder, 'assets')
  mkdirSync(assets)
  for (const program of programs) symlinkSync(String(built.etcd[0]), join(assets, program))
  return assets
}

/** A PATH on which `go` is one of long ago. */
function oldGo(folder: string): string {
  const path = join(folder, 'go')
  writeFileSync(path, '#!/bin/sh\necho go version go1.20.1 linux/amd64\n')
  chmodSync(path, 0o755)
  return folder
}
