// npm run generate: writes what follows from the registry. With --check it writes nothing, names each file that is
// stale, missing or left over, and exits 1 if there is one.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { suite } from '../kinds/index.ts'
import { compareFiles, writeFiles } from './files.ts'
import { generateAll } from './index.ts'
import { readSamples } from './samples.ts'

const root = join(import.meta.dirname, '..', '..')

try {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
  const samples = readSamples(join(root, 'hooks', 'kinds'))
  const differences = compareFiles(root, generateAll(suite, { samples }))
  if (values.check) {
    for (const { path, problem } of differences) process.stderr.write(`${path}: ${problem}\n`)
    if (differences.length > 0) process.stderr.write('Run `npm run generate` and commit what it writes.\n')
    process.exitCode = differences.length > 0 ? 1 : 0
  } else {
    writeFiles(root, differences)
    for (const { path, problem } of differences) process.stdout.write(`${path} (was ${problem})\n`)
    process.stdout.write(differences.length > 0 ? '' : 'Every generated file is as it should be.\n')
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
