// A MySQL server of the test's own.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import { freePort, unprivileged } from './shells.ts'

/** The version of the server that there is; undefined where there is none. */
export const mysqlVersion = /Ver (\d+\.\d+\.\d+)(?!.*MariaDB)/.exec(
  spawnSync('mysqld', ['--version'], { encoding: 'utf8' }).stdout ?? '',
)?.[1]

/** Folders that stand for those of the pod, and what runs in them. */
export async function stage(t: Test) {
  // Short: the path of a socket has at most 107 characters.
  const root = mkdtempSync(join(tmpdir(), 'my-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  const user = unprivileged()
  const port = await freePort()
  for (const name of ['data', 'run', 'tmp', 'scripts', 'etc', 'backup', 'app', 'superuser']) mkdirSync(join(root, name))
  for (const name of ['', 'data', 'run', 'tmp', 'backup']) {
    chownSync(join(root, name), user.uid ?? process.getuid?.() ?? 0, user.gid ?? process.getgid?.() ?? 0)
  }
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: root,
    TMPDIR: join(root, 'tmp'),
    HOSTNAME: 'pod-1',
    BACKUP_PATH: join(root, 'backup'),
    DATABASE_NAME: 'orders',
    DATABASE_HOST: '127.0.0.1',
    DATABASE_PORT: String(port),
  }
  // The paths of the pod as folders of the test.
  const local = (text: string) =>
    text
      .replaceAll('/etc/credentials/', `${root}/`)
      .replaceAll('/var/run/mysqld', `${root}/run`)
      .replaceAll('/var/lib/mysql/data', `${root}/data`)
      .replaceAll('/etc/mysql/conf.d', `${root}/etc`)
      .replaceAll('/tmp/reload-applied.sql', `${root}/tmp/reload-applied.sql`)
      .replaceAll(' /scripts/', ` ${root}/scripts/`)
      .replaceAll('port = 3306', `port = ${port}`)
      .replaceAll('bind_address = "*"', 'bind_address = 127.0.0.1')
  const put = (name: string, text: string) => {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), local(text))
    chmodSync(join(root, name), 0o644)
  }
  const shell = (command: string, args: string[], more: Record<string, string> = {}) =>
    spawnSync(command, args, { env: { ...env, ...more }, ...user, encoding: 'utf8', cwd: root, input: '' })
  const output = join(root, 'log')
  const log = () => readFileSync(output, 'utf8')
  return {
    root,
    port,
    put,
    local,
    lay(data: Record<string, string>) {
      for (const [name, text] of Object.entries(data))
        put(name.endsWith('.sh') ? `scripts/${name}` : `etc/${name}`, text)
    },
    shell,
    script: (name: string) => shell('bash', [join(root, 'scripts', name)]),
    /** Starts the server; the answer is what it has logged so far. */
    async start() {
      const server = spawn('mysqld', [`--defaults-file=${root}/etc/my.cnf`], {
        env,
        ...user,
        // Into a file: a pipe that nobody reads while a script runs would hold the server up.
        stdio: ['ignore', openSync(output, 'w'), openSync(output, 'a')],
      })
      const ended = new Promise((resolve) => server.once('exit', resolve))
      t.teardown(async () => {
        server.kill('SIGTERM')
        await ended
      })
      const ping = ['--no-defaults', '--protocol=tcp', '--host=127.0.0.1', `--port=${port}`, 'ping']
      for (let tries = 0; shell('mysqladmin', ping).status !== 0; tries++) {
        if (tries > 300 || server.exitCode !== null) throw new Error(log())
        await wait(100)
      }
      return log
    },
  }
}
