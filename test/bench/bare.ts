// What any hook written in Node.js costs at least: a bare HTTP server that parses each request and stringifies an answer
// which it already has. bare.ts FILE: the answers as JSON, by the parent's name. Prints a line with its URL.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const answers = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Record<string, unknown>

const server = createServer({ keepAliveTimeout: 95_000 }, (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { parent } = JSON.parse(Buffer.concat(chunks).toString()) as { parent: { metadata: { name: string } } }
    const payload = Buffer.from(JSON.stringify(answers[parent.metadata.name]))
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': payload.length }).end(payload)
  })
})
server.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url })}\n`)
})
process.on('SIGTERM', () => process.exit(0))
