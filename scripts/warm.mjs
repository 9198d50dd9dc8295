// Makes the compile cache of a bundle: warm.mjs BUNDLE [REQUEST.json …]. Starts the service as it will be started,
// has it answer what a cold start answers first and each recorded request ({"path", "body"}), and stops it. What was
// compiled by then is in the cache that NODE_COMPILE_CACHE names. Fails when the service does not come up or go down.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const [bundle, ...requests] = process.argv.slice(2)
const service = spawn(
  process.execPath,
  [bundle, 'serve', '--port=0', '--auth=none', '--ephemeral-credential-keys', '--drain-seconds=0'],
  { stdio: ['inherit', 'pipe', 'inherit'] },
)
const deadline = setTimeout(() => fail('it did not come up and go down within 30 s'), 30_000)
service.on('exit', (code, signal) => {
  clearTimeout(deadline)
  if (code !== 0) fail(`it ended with ${signal ?? code}`)
})
for await (const line of createInterface(service.stdout)) {
  const { msg, url } = JSON.parse(line)
  if (msg !== 'listening') continue
  for (const path of ['/healthz', '/readyz', '/metrics', '/version']) await (await fetch(url + path)).arrayBuffer()
  for (const file of requests) {
    const { path, body } = JSON.parse(readFileSync(file, 'utf8'))
    const answer = await fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!answer.ok) fail(`${file} was answered ${answer.status}: ${await answer.text()}`)
  }
  service.kill('SIGTERM')
}

function fail(why) {
  service.kill('SIGKILL')
  process.stderr.write(`the compile cache was not made: ${why}\n`)
  process.exit(1)
}
