// Root file systems from Debian packages. Nothing is installed on the machine: debootstrap itself comes out of its
// package into the cache, and all that runs does so in namespaces of its own.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureCached, step } from '../cluster/build.ts'

export interface RootfsRecipe {
  readonly name: string
  /** Debian's name of the release: trixie, sid. */
  readonly suite: string
  readonly packages: readonly string[]
  /** Bash, run in the new system as root: before the packages are installed, and after. */
  readonly before?: string
  readonly after?: string
  /** Files to put there at the end, by absolute path; they are made executable. */
  readonly files?: Readonly<Record<string, string>>
}

/** The folder of the cache that holds it as `root`, made now if it is not there. Needs root. */
export async function ensureRootfs(recipe: RootfsRecipe): Promise<string> {
  const base = await ensureBase(recipe.suite)
  const folder = await ensureCached(`rootfs-${recipe.name}-${recipe.suite}-${digest(recipe)}`, async (partial) => {
    const root = join(partial, 'root')
    await step(
      `installing ${recipe.packages.join(', ')} for ${recipe.name}, once`,
      installation(base, root, recipe),
      '/',
    )
    for (const [path, text] of Object.entries(recipe.files ?? {})) {
      mkdirSync(join(root, path, '..'), { recursive: true })
      writeFileSync(join(root, path), text, { mode: 0o755 })
    }
  })
  return join(folder, 'root')
}

/** The version of an installed package without Debian's own suffix: 17.6 of 17.6-0+deb13u1. */
export function packageVersion(root: string, name: string): string {
  const status = readFileSync(join(root, 'var/lib/dpkg/status'), 'utf8')
  const entry = status.split('\n\n').find((text) => text.startsWith(`Package: ${name}\n`))
  const version = entry?.match(/^Version: (?:\d+:)?([0-9.]+)/m)?.[1]
  if (version === undefined) throw new Error(`${root} has no package ${name}`)
  return version
}

/** Package files of the machine's own Debian, unpacked and not installed. */
export function ensureUnpacked(name: string): Promise<string> {
  return ensureCached(`package-${name}`, async (partial) => {
    const script = 'cd "$1" && apt-get download "$2" && dpkg-deb --extract ./*.deb . && rm ./*.deb'
    await step(`fetching the package ${name}`, ['sh', '-c', script, 'sh', partial, name], '/')
  })
}

/** A namespace in which mounts, processes and their ends are nobody else's business. */
const apart = ['unshare', '--mount', '--pid', '--fork', '--kill-child']

async function ensureBase(suite: string): Promise<string> {
  const folder = await ensureCached(`rootfs-base-${suite}`, async (partial) => {
    const { program, env } = await debootstrap()
    const root = join(partial, 'root')
    // Docs are nothing that a container needs; without fsync a throw-away unpacking is several times as fast.
    mkdirSync(join(root, 'etc/dpkg/dpkg.cfg.d'), { recursive: true })
    writeFileSync(join(root, 'etc/dpkg/dpkg.cfg.d/lean'), leanDpkg)
    await step(
      `installing the base of Debian ${suite}, once (1 to 3 min)`,
      [...apart, '--mount-proc', program, '--variant=minbase', suite, root],
      '/',
      { ...process.env, ...env },
    )
  })
  return join(folder, 'root')
}

const leanDpkg = [
  'force-unsafe-io',
  ...['doc', 'man', 'info', 'lintian', 'locale'].map((name) => `path-exclude=/usr/share/${name}/*`),
  'path-include=/usr/share/locale/locale.alias',
  '',
].join('\n')

async function debootstrap(): Promise<{ program: string; env: Record<string, string> }> {
  const there = ['/usr/sbin/debootstrap', '/usr/bin/debootstrap'].find((path) => existsSync(path))
  if (there !== undefined) return { program: there, env: {} }
  const folder = await ensureUnpacked('debootstrap')
  return {
    program: join(folder, 'usr/sbin/debootstrap'),
    env: { DEBOOTSTRAP_DIR: join(folder, 'usr/share/debootstrap') },
  }
}

function installation(base: string, root: string, { packages, before = '', after = '' }: RootfsRecipe): string[] {
  // No service starts in a file system that is only being made.
  const inside = `set -eu
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
${before}
# A mirror may be frozen at a day, and then its lists are out of date for ever; their signatures are checked all the same.
apt-get --quiet -o Acquire::Check-Valid-Until=false update
apt-get --quiet --yes --no-install-recommends -o Dpkg::Options::=--force-confold install ${packages.join(' ')}
${after}
rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt /tmp/*
`
  const script = `set -eu
cp -a "$1" "$2"
mount -t proc proc "$2/proc"
cp /etc/resolv.conf "$2/etc/resolv.conf"
exec chroot "$2" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 bash -c "$3"
`
  return [...apart, 'sh', '-c', script, 'sh', base, root, inside]
}

export function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12)
}

/** Whether a program is in the PATH. */
export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status === 0
}
