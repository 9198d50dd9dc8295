// Folders that may be written to although the root file system is read-only: each an emptyDir.
import type { Volume, VolumeMount } from 'kubernetes-types/core/v1.js'
import { shortHash } from '../../sdk/names.ts'
import { imageNeeds } from './images.ts'
import type { WebApp } from './schema.ts'

export function writableVolumes(app: WebApp): Volume[] {
  return paths(app).map((path) => ({ name: volumeOf(path), emptyDir: {} }))
}

export function writableMounts(app: WebApp): VolumeMount[] {
  return paths(app).map((path) => ({ name: volumeOf(path), mountPath: path }))
}

// What the user puts somewhere himself is there instead.
function paths({ spec }: WebApp): string[] {
  const { writablePaths = [], podSecurityStandard, readOnlyRootFilesystem } = spec.security
  const readOnly = readOnlyRootFilesystem ?? podSecurityStandard === 'restricted'
  const usual = readOnly ? ['/tmp', ...(imageNeeds(spec.image)?.writable ?? [])] : []
  const taken = new Set([
    ...(spec.volumeMounts ?? []).map(({ mountPath }) => mountPath),
    ...(spec.configFiles ?? []).map(({ path }) => path),
  ])
  return [...new Set([...usual, ...writablePaths])].filter((path) => !taken.has(path))
}

function volumeOf(path: string): string {
  return path === '/tmp' ? 'tmp' : `writable-${shortHash(path)}`
}
