// Memory while ever more parents are synced: nothing may be kept of any of them.
import { createCaller } from './caller.ts'
import type { Section } from './report.ts'
import { recordRequests, requestOf } from './requests.ts'
import { type Image, startService } from './service.ts'

/** Goals: below 120 MiB after 10,000 different parents, and the second half of them adds nothing. */
export async function benchMemory(image: Image, { parents = 10_000 }: { parents?: number } = {}): Promise<Section> {
  const recorded = await recordRequests(3)
  const connections = 16
  const caller = createCaller(connections)
  const service = await startService(image.bundle, image.env)
  try {
    const seen = [{ parents: 0, ...service.memory(), cpuMs: service.cpuMs() }]
    const started = performance.now()
    let next = 0
    const worker = async () => {
      while (next < parents) {
        const index = next++
        const request = recorded[index % recorded.length]
        if (request === undefined) throw new Error('there is no request to send')
        await caller.post(`${service.url}${request.path}`, requestOf(request, index))
        if (index % (parents / 10) === parents / 10 - 1) {
          seen.push({ parents: index + 1, ...service.memory(), cpuMs: service.cpuMs() })
        }
      }
    }
    await Promise.all(Array.from({ length: connections }, worker))
    const seconds = (performance.now() - started) / 1000
    const half = seen[5]?.residentMiB ?? Number.NaN
    const last = seen.at(-1)
    const end = last?.residentMiB ?? Number.NaN
    const cpuSeconds = ((last?.cpuMs ?? Number.NaN) - (seen[0]?.cpuMs ?? 0)) / 1000
    return {
      name: 'memory',
      about: `${parents} different parents, each synced once over ${connections} connections by the bundle as the image runs it (${image.env.NODE_OPTIONS}): ${(parents / seconds).toFixed(0)} requests/s beside this client on the same cores, ${(parents / cpuSeconds).toFixed(0)} in each second of the service's CPU.`,
      tables: [
        {
          title: 'Resident memory',
          columns: ['parents', 'MiB', 'peak MiB'],
          rows: seen.map(({ parents: count, residentMiB, peakMiB }) => [String(count), residentMiB, peakMiB]),
        },
      ],
      goals: [
        { what: `memory after ${parents} parents`, value: end, limit: 120, unit: 'MiB', sense: 'at most' },
        { what: 'the same, against after half of them', value: end / half, limit: 1.05, unit: '×', sense: 'at most' },
      ],
    }
  } finally {
    caller.close()
    await service.stop()
  }
}
