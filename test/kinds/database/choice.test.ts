// Which of pgBackRest's backups a recovery begins with, by what `pgbackrest info` says of the archive: its answers are those
// of https://pgbackrest.org/command.html#command-info, as they were seen.
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { scriptsOf } from './shells.ts'

const destination = {
  s3: { bucket: 'backups', endpoint: 'https://s3.storage.svc:9000', credentialsSecret: { name: 's3' } },
}
const source = { backup: { database: 'old', method: 'physical', destination } }
const script = scriptsOf({ version: '17.2', bootstrap: { recovery: { source } } })['restore.sh'] ?? ''
const python = /<<'PYTHON'\n([\s\S]*?)\nPYTHON\n/.exec(script)?.[1] ?? ''
const hasPython = spawnSync('python3', ['--version']).status === 0

interface Asked {
  BACKUP?: string
  TARGET?: string
  ENCRYPTED?: string
}

/** What the recovery makes of an answer. */
function choose(answer: unknown, asked: Asked = {}): string {
  const env = { DATABASE: 'old', BACKUP: '', TARGET: '', MAJOR: '17', ENCRYPTED: '', PLACE: 's3://backups', ...asked }
  const { stdout, stderr } = spawnSync('python3', ['-c', python], {
    input: JSON.stringify(answer),
    env: { PATH: process.env.PATH, ...env },
    encoding: 'utf8',
  })
  return `${stdout}${stderr}`.trim()
}

const stanza = 'old-0123456789'
const backup = (label: string, time: string, more: object = {}) => ({
  label,
  database: { id: 1 },
  timestamp: { stop: Date.parse(time) / 1000 },
  info: { size: 1000, repository: { delta: 300 } },
  error: false,
  ...more,
})
const holding = (backups: object[], version = '17') => [
  { name: stanza, backup: backups, db: [{ id: 1, version }], status: { code: 0, message: 'ok' } },
]
const unreadable = (message: string) => [
  {
    name: stanza,
    status: { code: 99, message: 'other' },
    repo: [{ status: { code: 99, message } }],
  },
]

t.test('a recovery chooses a backup', { skip: !hasPython && 'there is no Python' }, async (t) => {
  const first = backup('20260301-020000F', '2026-03-01T02:05:00Z')
  const next = backup('20260301-020000F_20260302-020000I', '2026-03-02T02:01:00Z')
  const all = holding([first, next])
  t.equal(choose(all), `ok ${stanza} ${next.label} 300 17`, 'the latest')
  t.equal(choose(all, { BACKUP: first.label }), `ok ${stanza} ${first.label} 300 17`, 'or the one that is named')
  t.equal(choose(all, { TARGET: '2026-03-02T02:00:59Z' }), `ok ${stanza} ${first.label} 300 17`, 'whole by then')
  t.match(choose(all, { TARGET: '2026-03-01T02:00:00Z' }), /^fail TargetNotCovered .* lies before 2026-03-01T02:05:00Z/)
  t.match(choose(all, { BACKUP: 'another' }), /^fail BackupNotFound there is no backup another in s3:/)
  t.match(choose([]), /^fail BackupNotFound there is no physical backup of old in s3:/)
  t.match(
    choose(holding([backup('20260301-020000F', '2026-03-01T02:05:00Z', { error: true })])),
    /^fail BackupNotFound/,
  )
  t.match(choose(holding([first], '16')), /^fail VersionMismatch the backup is of PostgreSQL 16, .* spec\.version/)
  const longer = [{ ...holding([next])[0], name: 'old-er-0123456789' }]
  t.match(choose(longer), /^fail BackupNotFound/, 'another Database’s')
})

t.test('an archive that cannot be read', { skip: !hasPython && 'there is no Python' }, async (t) => {
  const nonsense =
    "[FormatError] unable to load info file 'backup.info': FormatError: key/value found outside of section at line 1: \u0016\u0017y\ufffd5 U|\n\u0010\u0002"
  const locked = choose(unreadable(nonsense), { ENCRYPTED: 'yes' })
  t.match(locked, /^fail DecryptionFailed the archive of old cannot be read: \[FormatError\]/)
  t.match(locked, /^[ -~]+$/, 'what came of a wrong passphrase is not passed on')
  t.match(choose(unreadable(nonsense)), /^fail BackupCorrupt/)
  const crypto = '[CryptoError] unable to load info file: unable to flush. HINT: is or was the repo encrypted?'
  for (const ENCRYPTED of ['', 'yes']) {
    t.match(choose(unreadable(crypto), { ENCRYPTED }), /^fail DecryptionFailed/)
    t.match(choose(unreadable('[HostConnectError] timeout'), { ENCRYPTED }), /^fail SourceUnavailable/)
  }
})
