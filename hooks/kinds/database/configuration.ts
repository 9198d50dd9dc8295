// The ConfigMap <name>-config: the engine's configuration, and the scripts that run beside it.
import { quantityToNumber } from '../../sdk/quantity.ts'
import type { ConfigMap } from '../../sdk/resources.ts'
import { backupScripts } from './backup-scripts.ts'
import { type Configuration, paths } from './engines/engine.ts'
import { engineOf } from './engines/index.ts'
import type { Replication } from './engines/replication.ts'
import { labels, names } from './names.ts'
import { isFilling } from './recovery/pending.ts'
import { engineResources } from './resources.ts'
import type { Database } from './schema.ts'

/** The engine's files, sized from its memory limit. */
export function configurationOf(db: Database, replication: Replication | undefined): Configuration {
  const { limits, requests } = engineResources(db)
  const memoryBytes = quantityToNumber(limits?.memory ?? requests?.memory ?? '1Gi')
  const { files, restart } =
    replication?.configuration?.(db, memoryBytes) ?? engineOf(db).configuration(db, memoryBytes)
  return { files: { ...files, ...engineOf(db).archive?.files(db) }, restart }
}

/** Keys of the ConfigMap that are configuration; the others are scripts. */
export function configurationKeys(db: Database, replication: Replication | undefined): string[] {
  return Object.keys(configurationOf(db, replication).files).sort()
}

/** Keys of the ConfigMap that are scripts of the engine's pods. */
export function scriptKeys(db: Database, replication: Replication | undefined): string[] {
  return Object.keys(engineScripts(db, replication)).sort()
}

export function configuration(db: Database, replication: Replication | undefined): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: names(db).configuration, labels: labels(db) },
    data: {
      ...configurationOf(db, replication).files,
      ...engineScripts(db, replication),
      ...(db.spec.backup.destination === undefined ? {} : backupScripts(db)),
    },
  }
}

function engineScripts(db: Database, replication: Replication | undefined): Record<string, string> {
  const engine = engineOf(db)
  return {
    ...written(engine.helperScripts ?? {}),
    'accounts.sh': sourced(
      engine.accountsScript(db, isFilling(db) ? 'closed' : 'open') + (replication?.accountsScript?.(db) ?? ''),
    ),
    'reload.sh': script(engine.reloadScript(db)),
    'watch.sh': script(watchScript(db, replication?.watched)),
    ...written(replication?.scripts?.(db) ?? {}),
    ...written(engine.archive?.scripts(db, replication !== undefined) ?? {}),
    ...engine.archive?.plainScripts?.(db),
  }
}

function written(scripts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(scripts).map(([name, body]) => [name, script(body)]))
}

function script(body: string): string {
  return `#!/usr/bin/env bash\nset -Eeuo pipefail\n${body.trim()}\n`
}

// The entry points of the official images source what they find, so that nothing here may outlive it.
function sourced(body: string): string {
  return `#!/usr/bin/env bash\n(\nset -Eeuo pipefail\n${body.trim()}\n)\n`
}

// Kubernetes renews mounted ConfigMaps and Secrets in place, about a minute after they changed; no engine looks.
function watchScript(db: Database, watched: readonly string[] = []): string {
  const engine = engineOf(db)
  const alive = engine.alive(db).map(quoted).join(' ')
  const tls = db.spec.tls === undefined ? [] : [paths.tls]
  const folders = [engine.configurationPath, paths.app, paths.superuser, ...tls].map((folder) => `${folder}/*`)
  // The accounts change with a recovery that is done.
  const mounted = [...folders, `${paths.scripts}/accounts.sh`]
  // What an agent writes is not there from the beginning.
  const more = watched.length === 0 ? '' : `; cat ${watched.join(' ')} 2>/dev/null || true`
  return `
trap 'exit 0' TERM INT
applied=''
while true; do
  current=$({ cat ${mounted.join(' ')}${more}; } | sha256sum)
  if [ "$current" != "$applied" ] && ${alive} >/dev/null 2>&1; then
    if bash ${paths.scripts}/accounts.sh && bash ${paths.scripts}/reload.sh; then
      applied=$current
      echo 'configuration and credentials are in force'
    else
      echo 'configuration or credentials could not be applied; trying again' >&2
    fi
  fi
  # In the background, so that a signal does not wait for it.
  sleep ${watched.length === 0 ? 5 : 2} &
  wait $! || true
done
`
}

function quoted(word: string): string {
  return /^[A-Za-z0-9_./:=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
