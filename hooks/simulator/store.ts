// The API server of a simulated cluster: objects, optimistic concurrency, finalizers, subresources, watches.
import { createHash } from 'node:crypto'
import { equal } from '../sdk/equal.ts'
import { isRecord, type KubernetesObject, type ObjectReference, type ObjectType } from '../sdk/kubernetes.ts'
import { compareQuantities } from '../sdk/quantity.ts'
import { defaultBuiltin } from './builtin.ts'
import type { Clock } from './clock.ts'
import {
  alreadyExists,
  badRequest,
  conflict,
  type FieldError,
  forbidden,
  forbiddenField,
  invalid,
  invalidValue,
  noSuchKind,
  notFound,
} from './errors.ts'
import { at, copy, ensureRecord, freeze, mergePatch, numberAt, recordAt, textAt } from './json.ts'
import { checkMetadata } from './names.ts'
import { managedFieldsAfter } from './ownership.ts'
import { chargeQuotas } from './quota.ts'
import { createResources, groupKind, groupResource, type Resource, type Resources } from './resources.ts'
import { type CustomResourceSchema, compileSchema } from './schema.ts'
import { allocate } from './services.ts'
import { checkBuiltin } from './validation.ts'

/** One change of one object, as watches tell it. Objects are frozen: read them, never change them. */
export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: KubernetesObject
  readonly previous?: KubernetesObject
}

/** One write request that was accepted. `changed` is false for one that left the object as it was. */
export interface Write {
  readonly verb: 'create' | 'update' | 'delete'
  readonly subresource?: Subresource
  readonly by: string
  readonly reference: ObjectReference
  readonly before?: KubernetesObject
  readonly after?: KubernetesObject
  readonly changed: boolean
}

export type Subresource = 'status' | 'scale'
export type Propagation = 'Background' | 'Foreground' | 'Orphan'

/** metav1.DeleteOptions, as far as anything here uses them. */
interface DeleteOptions {
  readonly propagation?: Propagation
  /** Precondition: another uid is a Conflict. */
  readonly uid?: string
  readonly graceSeconds?: number
}

/** What a client of the API server can do. What comes back is frozen; what goes in is copied. */
export interface Client {
  /** The object, or undefined. A kind that is not served is a NotFound all the same. */
  get(reference: ObjectReference): KubernetesObject | undefined
  list(type: ObjectType, namespace?: string): KubernetesObject[]
  create(object: KubernetesObject): KubernetesObject
  /** A PUT: with a resourceVersion it fails with Conflict when the object has moved on. */
  update(object: KubernetesObject, subresource?: 'status'): KubernetesObject
  /** A JSON merge patch, to the object or a subresource. */
  patch(reference: ObjectReference, patch: unknown, subresource?: Subresource): KubernetesObject
  remove(reference: ObjectReference, options?: DeleteOptions): void
}

/** The API server. */
export interface Store {
  readonly resources: Resources
  /** A client whose writes are put down to `by`. */
  client(by: string): Client
  /** Tells every change, at once and in order. The answer ends it. */
  watch(listener: (change: Change) => void): () => void
  /** Tells every accepted write, no-ops included. */
  onWrite(listener: (write: Write) => void): () => void
  /** Puts an object in as it is, without defaults or validation: for observed objects read from elsewhere. */
  seed(object: KubernetesObject): void
  /** All objects there are, for a picture of the whole. */
  all(): KubernetesObject[]
}

/** An empty API server with the namespaces a cluster has, and the time of `clock`. */
export function createStore(clock: Clock): Store {
  const resources = createResources()
  const objects = new Map<string, Map<string, KubernetesObject>>()
  const schemas = new WeakMap<KubernetesObject, Map<string, CustomResourceSchema>>()
  const watchers = new Set<(change: Change) => void>()
  const writeListeners = new Set<(write: Write) => void>()
  let version = 0
  let created = 0

  const tableOf = (resource: Resource) => {
    const key = `${resource.group}/${resource.kind}`
    const table = objects.get(key) ?? new Map<string, KubernetesObject>()
    objects.set(key, table)
    return table
  }
  const resourceFor = (type: ObjectType): Resource => {
    const resource = resources.byKind(type)
    if (resource === undefined) throw noSuchKind(type.apiVersion, type.kind)
    return resource
  }
  const schemaFor = (resource: Resource, apiVersion: string): CustomResourceSchema | undefined => {
    if (resource.crd === undefined) return undefined
    const known = schemas.get(resource.crd) ?? new Map<string, CustomResourceSchema>()
    schemas.set(resource.crd, known)
    const compiled = known.get(apiVersion) ?? compileSchema(resource.crd, apiVersion)
    known.set(apiVersion, compiled)
    return compiled
  }
  const notify = (change: Change) => {
    if (change.object.kind === 'CustomResourceDefinition') resources.define(change.object, change.type === 'DELETED')
    for (const watcher of watchers) watcher(change)
  }
  const put = (resource: Resource, object: KubernetesObject, previous?: KubernetesObject): KubernetesObject => {
    object.metadata.resourceVersion = String(++version)
    const stored = freeze({ ...object, apiVersion: storedVersion(resource) })
    tableOf(resource).set(keyOf(stored.metadata), stored)
    notify(previous === undefined ? { type: 'ADDED', object: stored } : { type: 'MODIFIED', object: stored, previous })
    return stored
  }
  const drop = (resource: Resource, object: KubernetesObject) => {
    tableOf(resource).delete(keyOf(object.metadata))
    notify({
      type: 'DELETED',
      object: freeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(++version) } }),
      previous: object,
    })
  }
  const find = (reference: ObjectReference): KubernetesObject | undefined => {
    const resource = resourceFor(reference)
    return tableOf(resource).get(keyOf(resource.namespaced ? reference : { name: reference.name }))
  }
  const need = (reference: ObjectReference): KubernetesObject => {
    const found = find(reference)
    if (found === undefined) throw notFound(groupResource(resourceFor(reference)), reference.name)
    return found
  }
  const told = (write: Omit<Write, 'changed'>) => {
    const changed =
      write.verb === 'delete' || write.before?.metadata.resourceVersion !== write.after?.metadata.resourceVersion
    for (const listener of writeListeners) listener({ ...write, changed })
  }
  const refuse = (resource: Resource, object: KubernetesObject, causes: readonly FieldError[]) => {
    if (causes.length > 0) throw invalid(groupKind(resource), object.metadata.name ?? '', causes)
  }
  const admit = (resource: Resource, object: KubernetesObject, old?: KubernetesObject) => {
    const schema = schemaFor(resource, object.apiVersion)
    schema?.prepare(object)
    defaultBuiltin(object, resource)
    if (resource.kind === 'Service') allocate(object, old, tableOf(resource).values())
    refuse(resource, object, [
      ...checkMetadata(object, resource),
      ...checkBuiltin(object, old, resource),
      ...(schema?.check(object, old) ?? []),
    ])
  }

  const create = (input: KubernetesObject, by: string): KubernetesObject => {
    const resource = resourceFor(input)
    const object = copy(input)
    const metadata = { ...object.metadata }
    if (resource.namespaced && metadata.namespace === undefined)
      throw badRequest(`an empty namespace may not be set during creation`)
    if (!resource.namespaced) delete metadata.namespace
    if (metadata.name === undefined && metadata.generateName !== undefined)
      metadata.name = `${metadata.generateName}${suffix(++created)}`
    for (const field of [
      'resourceVersion',
      'deletionTimestamp',
      'deletionGracePeriodSeconds',
      'managedFields',
    ] as const)
      delete metadata[field]
    metadata.uid = uidOf(++created)
    metadata.creationTimestamp = clock.stamp()
    if (resource.generation) metadata.generation = 1
    else delete metadata.generation
    object.metadata = tidy(metadata)
    if (resource.status && resource.group !== 'apiextensions.k8s.io') delete object.status
    if (input.metadata.resourceVersion !== undefined && input.metadata.resourceVersion !== '')
      throw badRequest('resourceVersion should not be set on objects to be created')
    const name = metadata.name ?? ''
    if (metadata.namespace !== undefined) checkNamespace(metadata.namespace, groupResource(resource), name)
    if (name !== '' && tableOf(resource).has(keyOf(object.metadata))) throw alreadyExists(groupResource(resource), name)
    admission(object, [...tableOf(resourceFor(storageClass)).values()])
    admit(resource, object)
    charge(resource, object)
    const after = put(resource, object)
    told({ verb: 'create', by, reference: referenceOf(after), after })
    return after
  }
  const charge = (resource: Resource, object: KubernetesObject) => {
    const quotas = tableOf(resourceFor(quotaType))
    const { namespace } = object.metadata
    if (namespace === undefined || quotas.size === 0) return
    const there = [...quotas.values()].filter((quota) => quota.metadata.namespace === namespace)
    for (const quota of chargeQuotas(object, resource, there)) {
      put(resourceFor(quotaType), quota, find(referenceOf(quota)))
    }
  }
  const checkNamespace = (namespace: string, resource: string, name: string) => {
    const found = find({ apiVersion: 'v1', kind: 'Namespace', name: namespace })
    if (found === undefined) throw notFound('namespaces', namespace)
    if (found.metadata.deletionTimestamp === undefined) return
    throw forbidden(
      resource,
      name,
      `unable to create new content in namespace ${namespace} because it is being terminated`,
    )
  }

  const update = (input: KubernetesObject, by: string, through?: Subresource): KubernetesObject => {
    const subresource = through === 'status' ? through : undefined
    const resource = resourceFor(input)
    const name = input.metadata.name ?? ''
    const before = need(referenceOf(input))
    if (subresource === 'status' && !resource.status) throw notFound(groupResource(resource), name)
    const given = input.metadata
    if (given.uid !== undefined && given.uid !== before.metadata.uid) {
      throw conflict(
        groupResource(resource),
        name,
        `Precondition failed: UID in precondition: ${given.uid}, UID in object meta: ${before.metadata.uid}`,
      )
    }
    if (
      given.resourceVersion !== undefined &&
      given.resourceVersion !== '' &&
      given.resourceVersion !== before.metadata.resourceVersion
    ) {
      throw conflict(
        groupResource(resource),
        name,
        'the object has been modified; please apply your changes to the latest version and try again',
      )
    }
    const object = merged(copy(input), before, resource, subresource)
    if (subresource === undefined) {
      const owners = managedFieldsAfter(before, object, { by, scale: through === 'scale', time: clock.stamp() })
      if (owners !== undefined) object.metadata.managedFields = owners
    }
    const old: KubernetesObject = { ...before, apiVersion: object.apiVersion }
    admit(resource, object, old)
    checkGrowth(object, old, [...tableOf(resourceFor(storageClass)).values()])
    if (equal(object, old)) {
      told({
        verb: 'update',
        by,
        reference: referenceOf(before),
        before,
        after: before,
        ...(subresource && { subresource }),
      })
      return before
    }
    const { status: newStatus, metadata: _new, ...content } = object
    const { status: oldStatus, metadata: _old, ...oldContent } = old
    const grew =
      !equal(content, oldContent) || (!resource.status && resource.crd !== undefined && !equal(newStatus, oldStatus))
    if (resource.generation && grew) object.metadata.generation = (before.metadata.generation ?? 0) + 1
    const after = put(resource, object, before)
    told({ verb: 'update', by, reference: referenceOf(after), before, after, ...(subresource && { subresource }) })
    if (
      after.metadata.deletionTimestamp !== undefined &&
      (after.metadata.finalizers ?? []).length === 0 &&
      isDone(after)
    )
      drop(resource, after)
    return after
  }

  const merged = (
    object: KubernetesObject,
    before: KubernetesObject,
    resource: Resource,
    subresource?: 'status',
  ): KubernetesObject => {
    if (subresource === 'status') {
      const result: KubernetesObject = { ...copy(before), apiVersion: object.apiVersion }
      delete result.status
      if (object.status !== undefined) result.status = object.status
      return result
    }
    const metadata = { ...object.metadata }
    const fixed = [
      'uid',
      'creationTimestamp',
      'deletionTimestamp',
      'deletionGracePeriodSeconds',
      'generation',
      'namespace',
      'resourceVersion',
      'generateName',
    ] as const
    for (const field of fixed) {
      delete metadata[field]
      Object.assign(metadata, before.metadata[field] === undefined ? {} : { [field]: before.metadata[field] })
    }
    delete metadata.managedFields
    const result: KubernetesObject = { ...object, metadata: tidy(metadata) }
    if (resource.status) {
      delete result.status
      if (before.status !== undefined) result.status = copy(before.status)
    }
    if (before.metadata.deletionTimestamp !== undefined) {
      const added = (metadata.finalizers ?? []).filter(
        (finalizer) => !(before.metadata.finalizers ?? []).includes(finalizer),
      )
      const field = 'metadata.finalizers'
      if (added.length > 0)
        refuse(resource, result, [
          forbiddenField(
            field,
            `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((text) => JSON.stringify(text)).join(', ')}}`,
          ),
        ])
    }
    if ((metadata.ownerReferences ?? []).filter((owner) => owner.controller === true).length > 1) {
      refuse(resource, result, [
        invalidValue(
          'metadata.ownerReferences',
          'Only one reference can have Controller set to true',
          metadata.ownerReferences,
        ),
      ])
    }
    return result
  }

  const scale = (reference: ObjectReference, patch: unknown, by: string): KubernetesObject => {
    const resource = resourceFor(reference)
    const before = need(reference)
    if (resource.scale === undefined) throw notFound(groupResource(resource), reference.name)
    const replicas = at(patch, 'spec', 'replicas')
    if (typeof replicas !== 'number' || replicas < 0)
      throw invalid('Scale.autoscaling', reference.name, [
        invalidValue('spec.replicas', 'must be greater than or equal to 0', replicas),
      ])
    const steps = stepsOf(resource.scale.spec)
    return update(copy(mergePatch(before, nested(steps, replicas))) as KubernetesObject, by, 'scale')
  }

  const remove = (reference: ObjectReference, by: string, options: DeleteOptions = {}): void => {
    const resource = resourceFor(reference)
    const before = need(reference)
    const { metadata } = before
    if (options.uid !== undefined && options.uid !== metadata.uid) {
      throw conflict(
        groupResource(resource),
        reference.name,
        `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${metadata.uid}`,
      )
    }
    const finalizers = new Set(metadata.finalizers ?? [])
    // Explicit Orphan and Foreground set the collector's finalizers; Background takes them away.
    for (const [propagation, finalizer] of [
      ['Orphan', 'orphan'],
      ['Foreground', 'foregroundDeletion'],
    ] as const) {
      if (options.propagation === propagation) finalizers.add(finalizer)
      else if (options.propagation !== undefined) finalizers.delete(finalizer)
    }
    const grace = graceOf(before, options.graceSeconds)
    told({ verb: 'delete', by, reference: referenceOf(before), before })
    if (finalizers.size === 0 && grace === 0 && !isNamespace(before)) {
      drop(resource, before)
      return
    }
    const unchanged =
      metadata.deletionTimestamp !== undefined &&
      equal([...finalizers], metadata.finalizers ?? []) &&
      (metadata.deletionGracePeriodSeconds ?? 0) <= grace
    if (unchanged) return
    const after = copy(before)
    if (finalizers.size > 0) after.metadata.finalizers = [...finalizers]
    else delete after.metadata.finalizers
    if (after.metadata.deletionTimestamp === undefined && after.metadata.generation !== undefined)
      after.metadata.generation++
    after.metadata.deletionTimestamp ??= new Date(clock.now() + grace * 1000).toISOString().replace(/\.\d+Z$/, 'Z')
    after.metadata.deletionGracePeriodSeconds = grace
    if (isNamespace(after)) ensureRecord(after, 'status').phase = 'Terminating'
    put(resource, after, before)
  }

  const store: Store = {
    resources,
    client: (by) => ({
      get: (reference) => {
        const found = find(reference)
        return found === undefined ? undefined : inVersion(found, reference.apiVersion)
      },
      list(type, namespace) {
        const found = [...tableOf(resourceFor(type)).values()]
        const wanted =
          namespace === undefined ? found : found.filter((object) => object.metadata.namespace === namespace)
        return wanted.map((object) => inVersion(object, type.apiVersion))
      },
      create: (object) => create(object, by),
      update: (object, subresource) => update(object, by, subresource),
      patch(reference, patch, subresource) {
        if (subresource === 'scale') return scale(reference, patch, by)
        const before = inVersion(need(reference), reference.apiVersion)
        return update(mergePatch(before, patch) as KubernetesObject, by, subresource)
      },
      remove: (reference, options) => remove(reference, by, options),
    }),
    watch(listener) {
      watchers.add(listener)
      return () => watchers.delete(listener)
    },
    onWrite(listener) {
      writeListeners.add(listener)
      return () => writeListeners.delete(listener)
    },
    seed(input) {
      const resource = resourceFor(input)
      const object = copy(input)
      object.metadata.uid ??= uidOf(++created)
      object.metadata.creationTimestamp ??= clock.stamp()
      put(resource, object, find(referenceOf(object)))
    },
    all: () => [...objects.values()].flatMap((table) => [...table.values()]),
  }
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, 'kube-apiserver')
  }
  return store
}

/** What names an object. */
export function referenceOf({ apiVersion, kind, metadata }: KubernetesObject): ObjectReference {
  const { name = '', namespace } = metadata
  return namespace === undefined ? { apiVersion, kind, name } : { apiVersion, kind, name, namespace }
}

/** `namespace/name`, or the name of what is cluster-scoped. */
export function keyOf({ name = '', namespace }: { name?: string; namespace?: string }): string {
  return namespace === undefined ? name : `${namespace}/${name}`
}

/** The steps of a scale path such as `.spec.replicas`. */
function stepsOf(path: string): string[] {
  return path.split('.').filter((step) => step !== '')
}

function nested(steps: readonly string[], value: unknown): unknown {
  return steps.reduceRight<unknown>((inner, step) => ({ [step]: inner }), value)
}

function storedVersion({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`
}

/** The object as read in a version: conversion strategy None changes apiVersion and nothing else. */
function inVersion(object: KubernetesObject, apiVersion: string): KubernetesObject {
  return object.apiVersion === apiVersion ? object : freeze({ ...object, apiVersion })
}

/** Drops the empty lists and maps that metadata never keeps. */
function tidy(metadata: KubernetesObject['metadata']): KubernetesObject['metadata'] {
  const result = { ...metadata }
  for (const field of ['labels', 'annotations'] as const) {
    const value: unknown = result[field]
    if (value === null || (isRecord(value) && Object.keys(value).length === 0)) delete result[field]
  }
  for (const field of ['ownerReferences', 'finalizers'] as const) {
    const value: unknown = result[field]
    if (value === null || (Array.isArray(value) && value.length === 0)) delete result[field]
  }
  if (result.finalizers !== undefined) result.finalizers = [...new Set(result.finalizers)]
  return result
}

/** What admission plug-ins of a default API server add. */
function admission(object: KubernetesObject, classes: readonly KubernetesObject[]): void {
  if (object.kind !== 'PersistentVolumeClaim' || object.apiVersion !== 'v1') return
  object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), 'kubernetes.io/pvc-protection'])]
  const usual = classes.find(
    ({ metadata }) => metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true',
  )
  if (usual !== undefined) ensureRecord(object, 'spec').storageClassName ??= usual.metadata.name
}

const quotaType = { apiVersion: 'v1', kind: 'ResourceQuota' }
const storageClass = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass' }

/** PersistentVolumeClaimResize: only where the class lets volumes grow. */
function checkGrowth(object: KubernetesObject, old: KubernetesObject, classes: readonly KubernetesObject[]): void {
  if (object.kind !== 'PersistentVolumeClaim' || object.apiVersion !== 'v1') return
  const path = ['spec', 'resources', 'requests', 'storage']
  const [before, after] = [textAt(old, ...path), textAt(object, ...path)]
  if (before === undefined || after === undefined || compareQuantities(after, before) <= 0) return
  const growing = classes.find(({ metadata }) => metadata.name === textAt(old, 'spec', 'storageClassName'))
  if (growing?.allowVolumeExpansion === true) return
  const why =
    'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize'
  throw forbidden('persistentvolumeclaims', object.metadata.name ?? '', why)
}

function isNamespace(object: KubernetesObject): boolean {
  return object.kind === 'Namespace' && object.apiVersion === 'v1'
}

/** A namespace goes only when its own finalizer has, and a pod when its kubelet says so. */
function isDone(object: KubernetesObject): boolean {
  if (isNamespace(object)) return recordAt(object, 'spec').finalizers === undefined
  return (object.metadata.deletionGracePeriodSeconds ?? 0) === 0
}

/** Seconds a pod that runs on a node gets; nothing else has a grace period. */
function graceOf(object: KubernetesObject, asked: number | undefined): number {
  if (object.kind !== 'Pod' || object.apiVersion !== 'v1') return 0
  const phase = textAt(object, 'status', 'phase')
  if (textAt(object, 'spec', 'nodeName') === undefined || phase === 'Succeeded' || phase === 'Failed') return 0
  return asked ?? numberAt(object, 'spec', 'terminationGracePeriodSeconds') ?? 30
}

/** The same cluster told again gives the same uids. */
function uidOf(count: number): string {
  const hex = createHash('sha256').update(`uid ${count}`).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** The five characters that generateName appends, from the alphabet that Kubernetes uses. */
function suffix(count: number): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
  const bytes = createHash('sha256').update(`name ${count}`).digest().subarray(0, 5)
  return [...bytes].map((byte) => alphabet[byte % alphabet.length]).join('')
}
