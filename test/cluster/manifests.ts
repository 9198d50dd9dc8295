// YAML files as objects, and what has to be waited for after a CRD is applied.
import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { isRecord, type KubernetesObject } from '../../hooks/sdk/kubernetes.ts'
import { type Client, isApiError, referenceOf } from './client.ts'

/** All documents of a YAML file. */
export function documents(path: string): KubernetesObject[] {
  return parseAllDocuments(readFileSync(path, 'utf8')).flatMap((document) => {
    const [problem] = document.errors
    if (problem) throw new Error(`${path}: ${problem.message}`)
    const object: unknown = document.toJS()
    return object === null || object === undefined ? [] : [asManifest(object, path)]
  })
}

function asManifest(value: unknown, path: string): KubernetesObject {
  const object = value as Partial<KubernetesObject>
  if (!object.apiVersion || !object.kind || !object.metadata) {
    throw new Error(`${path}: a document without apiVersion, kind or metadata`)
  }
  return { ...object, apiVersion: object.apiVersion, kind: object.kind, metadata: object.metadata }
}

/**
 * Waits until every version of a CRD is established and really served. Throws at once where its schema is not
 * structural, for then it never will be.
 */
export async function untilKindServed(client: Client, crd: KubernetesObject): Promise<void> {
  const reference = referenceOf(crd)
  for (const started = Date.now(); Date.now() - started < 30_000; ) {
    const now = await client.get(reference)
    const status = isRecord(now?.status) ? now.status : {}
    const conditions = Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : []
    if (conditions.some(({ type, status }) => type === 'Established' && status === 'True')) {
      if (await listable(client, crd)) return
    }
    const refused = conditions.find(({ type, status }) => type === 'NonStructuralSchema' && status === 'True')
    if (refused) throw new Error(`${reference.name}: ${refused.message}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${reference.name} was not established within 30 s`)
}

/** Established comes a moment before every version is really served. */
async function listable(client: Client, crd: KubernetesObject): Promise<boolean> {
  const { group, names, versions } = crd.spec as {
    group: string
    names: { kind: string }
    versions: { name: string; served: boolean }[]
  }
  try {
    for (const { name } of versions.filter((version) => version.served)) {
      await client.list({ apiVersion: `${group}/${name}`, kind: names.kind })
    }
    return true
  } catch (error) {
    if (isApiError(error) && error.code === 404) return false
    throw error
  }
}
