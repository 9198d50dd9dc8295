// The hook service of cluster.test.ts: a Greeting becomes as many ConfigMaps as it asks for.
import { createServer } from 'node:http'
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import type { CompositeRequest, CompositeResponse } from '../../hooks/sdk/wire.ts'

let calls = 0

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    if (request.url === '/metrics') return response.end(`greeting_hook_calls_total ${calls}\n`)
    if (request.url === '/readyz') return response.end('ok')
    calls++
    const answer = sync(JSON.parse(Buffer.concat(chunks).toString()) as CompositeRequest)
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
  })
})
server.listen(Number(process.env.PORT), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))

function sync({ parent, children, finalizing }: CompositeRequest): CompositeResponse {
  const { text = '', copies = 1 } = parent.spec as { text?: string; copies?: number }
  const wanted = finalizing ? 0 : copies
  const observed = Object.keys(children['ConfigMap.v1'] ?? {}).length
  return {
    status: { copies: observed },
    children: Array.from({ length: wanted }, (_, index) => copy(String(parent.metadata.name), index, text)),
    finalized: finalizing && observed === 0,
  }
}

function copy(greeting: string, index: number, text: string): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `${greeting}-${index}`, labels: { greeting } },
    data: { text },
  }
}
