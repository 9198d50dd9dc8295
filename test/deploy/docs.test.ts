// The papers say what is so: settings as the program has them, links that lead somewhere, commands that exist.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { configurationHelp } from '../../hooks/server/configuration.ts'

const root = join(import.meta.dirname, '..', '..')
const pages = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md', { cwd: root })]
  .filter((page) => existsSync(join(root, page)))
  .sort()

t.test('docs/configuration.md lists the settings as --help does', async (t) => {
  const path = join(root, 'docs', 'configuration.md')
  const page = readFileSync(path, 'utf8')
  const [before, , after] = page.split(/(?<=<!-- serve --help -->\n)([\s\S]*)(?=<!-- \/serve --help -->)/)
  t.ok(before && after, 'the page has its place for them')
  const wanted = `${before}\`\`\`\n${configurationHelp()}\n\`\`\`\n${after}`
  if (process.env.UPDATE_DOCS) writeFileSync(path, wanted)
  t.equal(readFileSync(path, 'utf8'), wanted, 'UPDATE_DOCS=1 brings it in line')
})

t.test('links between the pages lead somewhere', async (t) => {
  t.ok(pages.length >= 10)
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8').replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? join(root, page) : join(root, dirname(page), path)
      if (!existsSync(file)) t.fail(`${page}: ${target} is not there`)
      else if (anchor !== undefined && !anchors(file).includes(anchor)) t.fail(`${page}: ${target} is no heading`)
    }
  }
})

t.test('npm scripts that the pages tell of exist', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8')
    for (const [, name = ''] of text.matchAll(/npm run ([a-z:]+)/g)) t.ok(scripts[name], `${page}: npm run ${name}`)
  }
})

t.test('files and folders of this repository that the manuals name are there', async (t) => {
  for (const page of ['CONTRIBUTING.md', 'docs/install.md', 'docs/serverless.md', 'docs/security.md']) {
    const text = readFileSync(join(root, page), 'utf8')
    for (const [, path = ''] of text.matchAll(/(?<![\w./-])((?:deploy|scripts|hooks)\/[\w./-]*\w)/g)) {
      t.ok(existsSync(join(root, path)), `${page}: ${path}`)
    }
  }
})

t.test('the uninstall script says what it would do, and refuses what it does not know', async (t) => {
  const script = join(root, 'scripts', 'uninstall.sh')
  const kubectl = t.testdir({ kubectl: '#!/bin/sh\necho "$@" >> "$0.log"\nexit 0\n' })
  spawnSync('chmod', ['+x', join(kubectl, 'kubectl')])
  const run = (...args: string[]) =>
    spawnSync('sh', [script, ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, KUBECTL: join(kubectl, 'kubectl') },
    })
  t.equal(run('--help').status, 0)
  t.equal(run('--force').status, 2)
  t.match(run('--timeout', 'soon').stderr, /--timeout needs a whole number of seconds, not "soon"/)
  const shown = run()
  t.equal(shown.status, 0, shown.stderr)
  t.match(shown.stdout, /Nothing was deleted/)
  t.notMatch(readFileSync(join(kubectl, 'kubectl.log'), 'utf8'), /delete|patch/, 'it only looked')
})

t.test('the licence is whole', async (t) => {
  const licence = readFileSync(join(root, 'LICENSE'), 'utf8')
  t.match(licence, /Apache License\s+Version 2\.0, January 2004/)
  t.match(licence, /9\. Accepting Warranty or Additional Liability/)
  t.ok(statSync(join(root, 'LICENSE')).size > 11_000)
})

/** The anchors that GitHub gives to a page's headings. */
function anchors(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}
