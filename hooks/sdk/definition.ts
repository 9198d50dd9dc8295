// What a kind is: one definition, from which the hook's answers and every generated file follow.
import type * as z from 'zod'
import type { ConditionInput } from './conditions.ts'
import type { Credentials } from './credentials.ts'
import type { ObjectMeta, ObjectType } from './kubernetes.ts'
import type { Observed } from './observed.ts'
import type { ObjectOf, PolicyRule, ResourceType } from './resources.ts'
import type { ValidationRule } from './schema.ts'

/** A column of `kubectl get`: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#additional-printer-columns */
export interface Column {
  name: string
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  /** A JSONPath without filters over maps, such as `.spec.engine`. */
  jsonPath: string
  description?: string
  format?: string
  /** Above 0 the column shows only with `-o wide`. */
  priority?: number
}

/** Paths of the scale subresource, each starting with a dot. */
export interface Scale {
  specReplicasPath: string
  statusReplicasPath: string
  labelSelectorPath?: string
}

/** One version of a kind's API. */
export interface Version<Spec extends z.ZodObject = z.ZodObject, Status extends z.ZodObject = z.ZodObject> {
  /** The schema of `spec`. What zod checks and CEL can say too is said with `rule()`, so that the API server refuses it. */
  spec: Spec
  /** The kind's own part of `status`; conditions and observedGeneration are added to it. */
  status: Status
  /** CEL rules over the whole object (`self.metadata.name`, `self.spec`): all of metadata that they can see is name and generateName. */
  rules?: readonly ValidationRule[]
  columns?: readonly Column[]
  scale?: Scale
  /** Whether the API server offers it; true unless said otherwise. */
  served?: boolean
  /** A sentence that kubectl shows to those who still use this version. */
  deprecated?: string
}

/** A resource of the kind, its spec checked and defaulted. */
export interface Parent<Spec = Record<string, unknown>, Status = Record<string, unknown>> {
  apiVersion: string
  kind: string
  metadata: ObjectMeta & { name: string; uid: string }
  spec: Spec
  /** What the last answer said: any part may be missing, and an older build may have written it. */
  status?: Partial<Status>
}

/** Settings of the whole service that a kind's answer may depend on; they are part of the ETag's salt. */
export interface Settings {
  /** Prefix for images that name no registry, such as `registry.internal/mirror`; empty: as they are. */
  imageRegistry: string
  /** The suite's own image, for Jobs that run one of its commands. */
  suiteImage?: string
}

/** What a kind's functions are given beside the parent. */
export interface Context<Children extends ResourceType = ResourceType> {
  /** The parent's children as the API server has them. */
  observed: Observed<Children>
  /** What `related` asked for. */
  related: Observed<ResourceType>
  credentials: Credentials
  settings: Settings
}

/** The context of a kind that declared `clock: true`. */
export interface ClockContext<Children extends ResourceType = ResourceType> extends Context<Children> {
  now: Date
}

/** The whole of what there should be. */
export interface Answer<Children extends ResourceType = ResourceType, Status = Record<string, unknown>> {
  /** Every child there should be; one that is observed and not in here is deleted. `undefined`: not wanted. */
  children: readonly (ObjectOf<Children> | undefined)[]
  status: Status
  /** `Ready` among them. `Reconciling`, `Stalled` and `Applied` are the SDK's. */
  conditions: readonly ConditionInput[]
  /** One more sync after so many seconds, once. */
  resyncAfterSeconds?: number
}

/** A reason not to act: everything that exists stays as it was last applied, and the conditions say why. */
export interface Hold<Status = Record<string, unknown>> {
  hold: { reason: string; message: string }
  /** Replaces these fields of the status; the others stay as they were. */
  status?: Partial<Status>
  conditions?: readonly ConditionInput[]
  resyncAfterSeconds?: number
}

export interface FinalAnswer<Children extends ResourceType = ResourceType, Status = Record<string, unknown>>
  extends Answer<Children, Status> {
  /** True lets the parent go; Metacontroller ignores `children` then. */
  finalized: boolean
}

/** Objects beside its children that a parent's answer depends on. */
export interface Related {
  type: ResourceType
  /** The parent's namespace unless given; a namespaced parent may name only its own (bulkhead). */
  namespace?: string
  /** Excludes `labels`. */
  names?: readonly string[]
  labels?: Readonly<Record<string, string>>
}

interface Shared {
  readonly group: string
  readonly kind: string
  /** Plural, lower case. */
  readonly plural: string
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  /** What the kind is, in a sentence or two: it heads the API reference. */
  readonly description: string
  /** Seconds after which an unchanged parent is looked at again; 30 unless given. */
  readonly resyncPeriodSeconds?: number
  /** True when an answer may depend on the time by itself: then `now` is in the context, and an answer that read it carries no ETag. */
  readonly clock?: boolean
  /** The kinds that `related` may ask for: Metacontroller is allowed to read these and no others. */
  readonly relatedTypes?: readonly ResourceType[]
  /**
   * All that Roles among the children may hold. Metacontroller is given the same rights, because the API server
   * lets nobody hand out what they do not hold.
   */
  readonly grants?: readonly PolicyRule[]
}

/** A CompositeController: a kind of this suite and the children that it stands for. */
export interface Composite<
  Resource extends Parent = Parent,
  Children extends ResourceType = ResourceType,
  Status = Record<string, unknown>,
> extends Shared {
  readonly controller: 'composite'
  readonly scope: 'Namespaced' | 'Cluster'
  readonly versions: Readonly<Record<string, Version>>
  /** The version that is stored, that Metacontroller watches and that the functions see. */
  readonly storage: string
  readonly children: readonly Children[]
  sync(parent: Resource, context: ClockContext<Children>): Answer<Children, Status> | Hold<Status>
  finalize?(parent: Resource, context: ClockContext<Children>): FinalAnswer<Children, Status> | Hold<Status>
  /** May depend on the spec only: Metacontroller keeps the answer for 20 minutes per generation. */
  related?(parent: Resource): readonly Related[]
}

/** What a DecoratorController adds to an object that another owns. */
interface Decoration<Attachments extends ResourceType = ResourceType> {
  attachments: readonly (ObjectOf<Attachments> | undefined)[]
  /** null takes a label off, absent ones stay. */
  labels?: Record<string, string | null>
  annotations?: Record<string, string | null>
  resyncAfterSeconds?: number
}

/** A reason not to act on a decorated object: its attachments stay as they were last applied. */
interface DecoratorHold {
  hold: { reason: string; message: string }
  resyncAfterSeconds?: number
}

/** The objects that a DecoratorController looks at. */
export interface Decorated {
  type: ResourceType
  labelSelector?: { matchLabels?: Record<string, string>; matchExpressions?: Expression[] }
  annotationSelector?: { matchAnnotations?: Record<string, string>; matchExpressions?: Expression[] }
}

interface Expression {
  key: string
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  values?: string[]
}

/** A DecoratorController: attachments for objects of other kinds, installed only where their APIs are. */
export interface Decorator<Target extends ResourceType = ResourceType, Attachments extends ResourceType = ResourceType>
  extends Omit<Shared, 'group' | 'kind' | 'plural' | 'shortNames' | 'categories'> {
  readonly controller: 'decorator'
  /** Names the DecoratorController and its route, /hooks/<name>/sync. */
  readonly name: string
  readonly resources: readonly (Decorated & { type: Target })[]
  readonly attachments: readonly Attachments[]
  sync(object: ObjectOf<Target>, context: ClockContext<Attachments>): Decoration<Attachments> | DecoratorHold
  finalize?(
    object: ObjectOf<Target>,
    context: ClockContext<Attachments>,
  ): (Decoration<Attachments> & { finalized: boolean }) | DecoratorHold
  related?(object: ObjectOf<Target>): readonly Related[]
}

export type Definition = Composite | Decorator

type SpecOf<V> = V extends { spec: infer Spec extends z.ZodType } ? z.output<Spec> : never
type StatusOf<V> = V extends { status: infer Status extends z.ZodType } ? z.output<Status> : never
type ContextOf<Children extends ResourceType, Clock> = true extends Clock ? ClockContext<Children> : Context<Children>

interface CompositeOptions<
  Versions extends Record<string, Version>,
  Storage extends keyof Versions & string,
  Children extends ResourceType,
  Clock extends boolean,
> extends Shared {
  readonly scope?: 'Namespaced' | 'Cluster'
  readonly versions: Versions
  readonly storage: Storage
  readonly children: readonly Children[]
  readonly clock?: Clock
  sync(
    parent: Parent<SpecOf<Versions[Storage]>, StatusOf<Versions[Storage]>>,
    context: ContextOf<Children, Clock>,
  ): Answer<Children, StatusOf<Versions[Storage]>> | Hold<StatusOf<Versions[Storage]>>
  finalize?(
    parent: Parent<SpecOf<Versions[Storage]>, StatusOf<Versions[Storage]>>,
    context: ContextOf<Children, Clock>,
  ): FinalAnswer<Children, StatusOf<Versions[Storage]>> | Hold<StatusOf<Versions[Storage]>>
  related?(parent: Parent<SpecOf<Versions[Storage]>, StatusOf<Versions[Storage]>>): readonly Related[]
}

/**
 * Defines a kind of this suite. The types follow from the options: `parent.spec` from the stored version's
 * schema, what `sync` may emit from `children` (another kind of child is a type error).
 */
export function composite<
  const Versions extends Record<string, Version>,
  const Storage extends keyof Versions & string,
  Children extends ResourceType,
  const Clock extends boolean = false,
>(options: CompositeOptions<Versions, Storage, Children, Clock>): Composite {
  const definition: Composite<
    Parent<SpecOf<Versions[Storage]>, StatusOf<Versions[Storage]>>,
    Children,
    StatusOf<Versions[Storage]>
  > = { scope: 'Namespaced', ...options, controller: 'composite' }
  // What is narrow here was checked against the options; from here on a kind is one of many.
  return definition
}

/** Defines what is added to objects of other kinds; typed like `composite`. */
export function decorator<Target extends ResourceType, Attachments extends ResourceType>(
  options: Omit<Decorator<Target, Attachments>, 'controller'>,
): Decorator {
  return { ...options, controller: 'decorator' }
}

/** The stored version of a kind, and the apiVersion it makes with the group. */
export function storedVersion(definition: Composite): { version: Version; apiVersion: string } {
  const version = definition.versions[definition.storage]
  if (version === undefined) throw new Error(`${definition.kind} has no version "${definition.storage}"`)
  return { version, apiVersion: `${definition.group}/${definition.storage}` }
}

/** The name of a definition in URLs and metrics: `database`, or a decorator's own name. */
export function hookName(definition: Definition): string {
  return definition.controller === 'composite' ? definition.kind.toLowerCase() : definition.name
}

/** The type of a kind's own objects. */
export function parentType(definition: Composite): ObjectType {
  return { apiVersion: storedVersion(definition).apiVersion, kind: definition.kind }
}
