// kube-score's default checks, over every object that hooks answer for the samples of all kinds.
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { toYaml } from '../../hooks/generate/yaml.ts'
import { exceptionsOf } from '../kinds/exceptions.ts'
import { renderedSamples } from '../kinds/rendered.ts'
import { ensureKubeScore } from './build.ts'

/** The part of `kube-score score --output-format json` that counts. */
interface Scored {
  object_meta: { namespace: string; name: string }
  type_meta: { kind: string }
  checks: {
    check: { id: string }
    /** 1 critical, 5 warning, 7 almost right, 10 right. */
    grade: number
    skipped: boolean
    comments: { path: string; summary: string }[] | null
  }[]
}

t.test('nothing but what docs/security.md lists with its reason', { timeout: 600_000 }, async (t) => {
  const rendered = renderedSamples()
  const parents = new Map(rendered.map(({ parent, object }) => [String(object.metadata.namespace), parent]))
  const input = rendered.map(({ object }) => toYaml(object)).join('---\n')
  const args = ['score', '--output-format=json', '--kubernetes-version=v1.36', '-']
  const { stdout, stderr, error } = spawnSync(await ensureKubeScore(), args, {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  t.equal(error, undefined)
  const scored = JSON.parse(stdout) as Scored[]
  t.same(
    new Set(scored.map(({ object_meta: { namespace } }) => parents.get(namespace))),
    new Set(parents.values()),
    stderr,
  )
  const found = new Map<string, string>()
  for (const { object_meta: meta, type_meta: type, checks } of scored) {
    for (const { check, grade, skipped, comments } of checks) {
      if (skipped || grade > 5) continue
      const texts = (comments ?? []).map(({ path, summary }) => `${path} ${summary}`)
      found.set(`${parents.get(meta.namespace)}: ${check.id}`, `${type.kind}/${meta.name}: ${texts.join('; ')}`)
    }
  }
  const listed = exceptionsOf('kube-score')
  for (const [finding, where] of found) t.ok(listed.includes(finding), `${finding} (${where})`)
  for (const exception of listed) t.ok(found.has(exception), `${exception} still is one`)
})
