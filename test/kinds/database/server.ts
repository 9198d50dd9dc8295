// A PostgreSQL server of the test's own, set up by the scripts of a Database.
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import { freePort, scriptsOf, unprivileged } from './shells.ts'
import type { Spec } from './world.ts'

/** The folder with initdb and postgres; undefined where there is no PostgreSQL. */
export function postgresFolder(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, 'bin')) : []
  return [...versions, ...(process.env.PATH ?? '').split(delimiter)].find((folder) =>
    existsSync(join(folder, 'initdb')),
  )
}

type Ended = Pick<SpawnSyncReturns<string>, 'status' | 'stdout' | 'stderr'>

export interface Server {
  /** Stands for / of a pod: `/etc/credentials/…`, `/backup` and so on are folders below. */
  root: string
  port: number
  /** Writes a file below `root`, the paths of a pod in it made those of the test. */
  put(name: string, text: string): void
  /** Runs a command as the server's user. */
  shell(command: string, args: string[], env?: Record<string, string>): Ended
  /** Runs Bash with these variables, the paths of a pod in it made those of the test. */
  bash(script: string, env?: Record<string, string>): Ended
  /** Asks as a user with a password, over TCP. */
  query(user: string, password: string, statement: string, database?: string): Ended
  /** Asks as the administrator. */
  trusted(statement: string, database?: string): string
  /** What the server logged so far. */
  log(): string
}

export const passwords = {
  superuser: 'SuperSecret1',
  monitor: 'MonitorSecret1',
  operator: 'OperatorSecret1',
  replicator: 'ReplicatorSecret1',
  rewind: 'RewindSecret1',
  app: 'AppSecret1',
}

/** Starts it, with the accounts of a Database of that spec. */
export async function startPostgres(t: Test, spec: Spec = {}): Promise<Server> {
  const folder = postgresFolder() ?? ''
  // Short: the path of a socket has at most 107 characters.
  const root = mkdtempSync(join(tmpdir(), 'pg-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  const port = await freePort()
  const user = unprivileged()
  const own = (path: string) =>
    chownSync(path, user.uid ?? process.getuid?.() ?? 0, user.gid ?? process.getgid?.() ?? 0)
  for (const name of ['', 'data', 'run', 'backup', 'tmp']) {
    mkdirSync(join(root, name), { recursive: true })
    own(join(root, name))
  }
  chmodSync(join(root, 'data'), 0o700)
  const environment = {
    PATH: `${folder}${delimiter}${process.env.PATH ?? ''}`,
    HOME: join(root, 'tmp'),
    TMPDIR: join(root, 'tmp'),
    LC_ALL: 'C.UTF-8',
    HOSTNAME: 'pod-1',
  }
  const local = (text: string) =>
    text
      .replaceAll('/etc/credentials', join(root, 'etc/credentials'))
      .replaceAll('/var/run/postgresql', join(root, 'run'))
      .replaceAll('/etc/postgresql', join(root, 'etc/postgresql'))
      .replaceAll("listen_addresses = '*'", "listen_addresses = '127.0.0.1'")
      .replaceAll('--port=5432', `--port=${port}`)
      .replaceAll("port = '5432'", `port = '${port}'`)
      .replaceAll('--username=postgres', `--username=postgres --port=${port}`)
  const put = (name: string, text: string) => {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), local(text))
    chmodSync(join(root, name), 0o644)
  }
  const shell = (command: string, args: string[], env: Record<string, string> = {}) =>
    spawnSync(command, args, { env: { ...environment, ...env }, ...user, encoding: 'utf8', cwd: root })
  const bash = (script: string, env: Record<string, string> = {}) =>
    spawnSync('bash', ['-c', local(script)], {
      env: { ...environment, ...env },
      ...user,
      encoding: 'utf8',
      cwd: root,
      input: '',
    })
  const scripts = scriptsOf({ version: '15.4', ...spec })
  for (const name of ['postgresql.conf', 'pg_hba.conf']) put(`etc/postgresql/${name}`, scripts[name] ?? '')
  put('etc/credentials/app/username', 'app')
  put('etc/credentials/app/password', passwords.app)
  for (const name of ['superuser', 'monitor', 'operator', 'replicator', 'rewind'] as const) {
    put(`etc/credentials/superuser/${name}-password`, passwords[name])
  }
  const made = shell('initdb', [
    `--pgdata=${root}/data`,
    '--username=postgres',
    '--encoding=UTF8',
    '--no-sync',
    '--auth-local=trust',
    '--auth-host=scram-sha-256',
    `--pwfile=${root}/etc/credentials/superuser/superuser-password`,
  ])
  if (made.status !== 0) throw new Error(made.stderr)
  const args = ['-D', `${root}/data`, '-c', `config_file=${root}/etc/postgresql/postgresql.conf`]
  // Every statement, so that a password in one would be seen; and no disk is waited for.
  const options = ['-c', 'log_statement=all', '-c', 'fsync=off']
  // Into a file: a pipe that nobody reads while a script runs would hold the server up.
  const output = join(root, 'log')
  const log = () => readFileSync(output, 'utf8')
  const stdio: ['ignore', 'ignore', number] = ['ignore', 'ignore', openSync(output, 'w')]
  const server = spawn('postgres', [...args, ...options], { env: environment, ...user, stdio })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  t.teardown(async () => {
    server.kill('SIGINT')
    await ended
  })
  for (let tries = 0; shell('pg_isready', ['-q', '-h', '127.0.0.1', '-p', String(port)]).status !== 0; tries++) {
    if (tries > 100) throw new Error(log())
    await wait(100)
  }
  const accounts = bash(scripts['accounts.sh'] ?? '')
  if (accounts.status !== 0) throw new Error(accounts.stderr)
  return {
    root,
    port,
    put,
    shell,
    bash,
    query: (name, password, statement, database = 'app') =>
      shell('psql', ['-XAtc', statement, '-h', '127.0.0.1', '-p', String(port), '-U', name, '-d', database], {
        PGPASSWORD: password,
      }),
    trusted(statement, database = 'app') {
      const result = shell('psql', [
        '-XAtc',
        statement,
        '-h',
        `${root}/run`,
        '-p',
        String(port),
        '-U',
        'postgres',
        '-d',
        database,
      ])
      if (result.status !== 0) throw new Error(result.stderr)
      return result.stdout.trim()
    },
    log,
  }
}
