// A revision: one state of the pods' template, and the files that go with it.
import type { PodTemplateSpec } from 'kubernetes-types/core/v1.js'
import type { Settings } from '../../sdk/definition.ts'
import { shortHash } from '../../sdk/names.ts'
import type { ConfigMap, Deployment } from '../../sdk/resources.ts'
import { configuration } from './configfiles.ts'
import { revisionLabel, type Track } from './names.ts'
import { podTemplate } from './pod.ts'
import type { WebApp } from './schema.ts'

export interface Revision {
  /** Ten hexadecimal digits that stand for the template and its files: the same on both tracks. */
  hash: string
  /** The template for the pods of a track, which names the track's ConfigMap. */
  template(track: Track): PodTemplateSpec
  /** The ConfigMap of a track, where there are files. */
  configuration(track: Track): ConfigMap | undefined
}

/** The revision that the spec asks for. */
export function revisionOf(app: WebApp, settings: Settings): Revision {
  const stable = podTemplate(app, settings, 'stable')
  const hash = shortHash(JSON.stringify(stable))
  return {
    hash,
    template(track) {
      const template = track === 'stable' ? stable : podTemplate(app, settings, track)
      const labels = { ...template.metadata?.labels, [revisionLabel]: hash }
      return { ...template, metadata: { ...template.metadata, labels } }
    },
    configuration: (track) => configuration(app, track),
  }
}

/** The revision of a Deployment's template, as its label says. */
export function revisionIn(deployment: Deployment | undefined): string | undefined {
  return deployment?.spec?.template?.metadata?.labels?.[revisionLabel]
}
