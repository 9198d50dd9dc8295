// Files that the spec brings along: a ConfigMap, and each of its keys mounted where it belongs.
import type { Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import { shortHash } from '../../sdk/names.ts'
import type { ConfigMap } from '../../sdk/resources.ts'
import { labels, names, type Track } from './names.ts'
import type { WebApp } from './schema.ts'

/** The ConfigMap of a track, where there are files. */
export function configuration(app: WebApp, track: Track): ConfigMap | undefined {
  const files = app.spec.configFiles ?? []
  if (files.length === 0) return undefined
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: names(app).configuration(track), labels: labels(app) },
    data: Object.fromEntries(files.map(({ path, content }) => [keyOf(path), content])),
  }
}

/** Annotations that change with the files: a mounted file alone would not restart anything. */
export function configurationHash(app: WebApp): Record<string, string> {
  const files = app.spec.configFiles ?? []
  if (files.length === 0) return {}
  return {
    'platform.example.com/config-hash': shortHash(JSON.stringify(files.map((file) => [file.path, file.content]))),
  }
}

// A volume for each file: Metacontroller 1.5 tells mounts apart by the volume's name, so that two of one name become
// two of one path. A file by itself (subPath) leaves the others of its folder where they are.
export function configurationVolumes(app: WebApp, track: Track): Volume[] {
  return (app.spec.configFiles ?? []).map(({ path }) => ({
    name: volumeOf(path),
    configMap: {
      name: names(app).configuration(track),
      defaultMode: 0o444,
      items: [{ key: keyOf(path), path: keyOf(path) }],
    },
  }))
}

export function configurationMounts(app: WebApp): VolumeMount[] {
  return (app.spec.configFiles ?? []).map(({ path }) => ({
    name: volumeOf(path),
    mountPath: path,
    subPath: keyOf(path),
    readOnly: true,
  }))
}

// Two files of one name in different folders are two keys.
function keyOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1).replaceAll(/[^-._a-zA-Z0-9]/g, '_')
  return `${shortHash(path)}-${name.slice(0, 200)}`
}

function volumeOf(path: string): string {
  return `config-${shortHash(path)}`
}
