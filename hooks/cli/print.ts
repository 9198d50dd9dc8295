// What the commands that print manifests share.
import { toYaml } from '../generate/yaml.ts'
import { type Definition, hookName } from '../sdk/definition.ts'
import { usageError } from './command.ts'
import type { Shell } from './shell.ts'
import { didYouMean } from './suggest.ts'

/** Those of `definitions` that are named by kind, plural, short name or a decorator's name; all when none is named. */
export function chosenDefinitions(names: readonly string[], definitions: readonly Definition[]): readonly Definition[] {
  if (names.length === 0) return definitions
  return names.map((name) => {
    const found = definitions.find((definition) => namesOf(definition).includes(name.toLowerCase()))
    if (found !== undefined) return found
    const known = definitions.map(hookName)
    throw usageError(`there is no kind "${name}": there is ${known.join(', ')}${didYouMean(name, known)}`)
  })
}

/** As YAML documents, or as one JSON list that kubectl takes. */
export function printManifests(manifests: readonly object[], output: string, shell: Shell): void {
  const text =
    output === 'json'
      ? JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests }, null, 2)
      : toYaml(...manifests).trimEnd()
  shell.out(text)
}

/** A Service as `--service` names it: NAMESPACE/NAME, or with a port behind it. */
export function readService(text: string): { namespace: string; name: string; port?: number } {
  const [, namespace, name, port] = /^([a-z0-9-]+)\/([a-z0-9-]+)(?::([0-9]{1,5}))?$/.exec(text) ?? []
  if (namespace === undefined || name === undefined) {
    throw usageError(`--service takes NAMESPACE/NAME or NAMESPACE/NAME:PORT, not "${text}"`)
  }
  return { namespace, name, ...(port === undefined ? {} : { port: Number(port) }) }
}

function namesOf(definition: Definition): string[] {
  if (definition.controller === 'decorator') return [definition.name]
  const { kind, plural, group, shortNames = [] } = definition
  return [kind.toLowerCase(), plural, `${plural}.${group}`, ...shortNames]
}
