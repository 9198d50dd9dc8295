// What a kind is: one definition, from which the hook's answers and every generated file follow.
import type * as z from 'zod'
import type { ConditionInput } from './conditions.ts'
import type { Credentials } from './credentials.ts'
import type { Marks, Notice } from './decorated.ts'
import type { ObjectMeta, ObjectType } from './kubernetes.ts'
import type { Observed } from './observed.ts'
import { type ObjectOf, type PolicyRule, type ResourceType, resourceType } from './resources.ts'
import type { Problem, ValidationRule } from './schema.ts'

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
  /** The image with Patroni and pgBackRest that deploy/postgresql-agent makes. */
  postgresqlAgentImage?: string
  /** Patterns of the images that containers may run (see images.ts); empty or absent: any. */
  allowedImages?: readonly string[]
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
  /** Excludes `labels`. Without either, all of the namespace. */
  names?: readonly string[]
  /** A cluster-scoped parent names either a namespace or labels, as long as it is to work with Metacontroller 1.5. */
  labels?: Readonly<Record<string, string>>
}

/** Any part of a value: what a user may have left out is left out. Lists are whole or absent. */
type Some<Value> = Value extends readonly unknown[]
  ? Value
  : Value extends object
    ? { [Field in keyof Value]?: Some<Value[Field]> }
    : Value

/** On whose behalf a resource is looked at, beside the resource itself. */
export interface Review<Resource = Parent> {
  /** What the API server is asked to do; undefined when the hook itself asks about a resource that exists. */
  operation?: 'CREATE' | 'UPDATE'
  /** The resource as it was before the update, where its spec was valid then. */
  old?: Resource
  settings: Settings
}

/** What a look at a resource has brought to light. */
export interface Findings {
  /** Each refuses the resource; what exists of it is held. */
  problems?: readonly Problem[]
  /** Sentences for whoever applies the resource; they refuse nothing. */
  warnings?: readonly string[]
}

/**
 * A resource on its way from one version to another. Required fields may be missing, because server-side apply also has
 * parts of objects converted.
 */
export interface Convertible<Spec = Record<string, unknown>, Status = Record<string, unknown>> {
  metadata: { name?: string; namespace?: string } & ConvertibleMetadata
  spec?: Some<Spec>
  status?: Some<Status>
}

interface ConvertibleMetadata {
  labels?: Record<string, string> | undefined
  annotations?: Record<string, string> | undefined
}

/** What a conversion makes of it. A part that is left out stays as it was; of the metadata nothing else can be changed. */
export type Converted<Spec = Record<string, unknown>, Status = Record<string, unknown>> =
  | { metadata?: ConvertibleMetadata; spec?: Some<Spec>; status?: Some<Status>; problems?: undefined }
  | { problems: readonly Problem[] }

/**
 * The way from one version to the stored one and back. Neither adds a field (the API server does the defaulting) and
 * neither loses one: what the other version has no place for goes into an annotation (see `carry` in convert.ts).
 */
export interface Conversion<Own = Convertible, Stored = Convertible, ToStored = Converted, ToOwn = Converted> {
  toStorage(object: Own): ToStored
  fromStorage(object: Stored): ToOwn
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
  /** Seconds after which an unchanged parent is looked at again; 600 unless given. */
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
  /** By version: how it becomes the stored one and back. A version without one differs by its apiVersion alone. */
  readonly conversions?: Readonly<Record<string, Conversion | undefined>>
  readonly children: readonly Children[]
  /**
   * Says what neither the schema nor CEL can: it is asked when the API server admits the resource, and again by each
   * sync, since the API server admits without being told when the service is away. A pure function of what it is given.
   */
  validate?(parent: Resource, review: Review<Resource>): Findings
  /**
   * Values for fields of the spec that were left out, where they depend on other fields and a schema's default does not
   * do. Whatever it answers, a field that is there is never changed. Filled in at admission, and for `sync` in any case.
   */
  default?(parent: Resource, review: Review<Resource>): Record<string, unknown>
  /** What the status says of what exists whatever is wanted, such as counts of pods: it goes on being told in a hold. */
  counts?(metadata: Resource['metadata'], observed: Observed<Children>): Partial<Status>
  sync(parent: Resource, context: ClockContext<Children>): Answer<Children, Status> | Hold<Status>
  finalize?(parent: Resource, context: ClockContext<Children>): FinalAnswer<Children, Status> | Hold<Status>
  /** May depend on the spec only: Metacontroller keeps the answer for 20 minutes per generation. */
  related?(parent: Resource): readonly Related[]
}

/** What a DecoratorController adds to an object that another owns. */
export interface Decoration<Attachments extends ResourceType = ResourceType> extends Marks {
  attachments: readonly (ObjectOf<Attachments> | undefined)[]
  /** What somebody should look at although the rest was done: it stands in an annotation for as long as it is answered. */
  notice?: Notice | undefined
  resyncAfterSeconds?: number
}

/** A reason not to act on a decorated object: its attachments stay as they were last applied. */
export interface DecoratorHold {
  hold: Notice
  resyncAfterSeconds?: number
}

/** What a decorator's functions are given beside the object. */
export interface DecoratorContext<Attachments extends ResourceType = ResourceType> extends ClockContext<Attachments> {
  /** The decorator's `parameters`, as the annotations of its DecoratorController in this cluster have them. */
  parameters: Readonly<Record<string, string>>
}

/** The objects that a DecoratorController looks at. */
export interface Decorated<Target extends ResourceType = ResourceType> {
  type: Target
  /** Of a kind of this suite: its spec is checked and defaulted, as for the kind's own `sync`. See `objectsOf`. */
  definition?: Composite
  /** True where the answer does not depend on the object's status: a change of that alone is no reason to ask again. */
  ignoreStatusChanges?: boolean
  /**
   * Only these. Metacontroller lets an object that is selected no longer go by way of `finalize`, so a decorator that
   * selects gets one of the SDK's own, and its objects a finalizer.
   */
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
  readonly resources: readonly Decorated<Target>[]
  readonly attachments: readonly Attachments[]
  /** The annotation in which a notice stands, where it belongs with others; `decorators.example.com/<name>` otherwise. */
  readonly noticeAnnotation?: string
  /** All labels and annotations that it ever sets on an object: one that an answer does not state is taken off. */
  readonly sets?: { readonly labels?: readonly string[]; readonly annotations?: readonly string[] }
  /**
   * What differs between clusters and is for their administrators to say, such as the namespace that Velero runs in: by
   * annotation of the DecoratorController, with its default.
   */
  readonly parameters?: Readonly<Record<string, string>>
  sync(object: ObjectOf<Target>, context: DecoratorContext<Attachments>): Decoration<Attachments> | DecoratorHold
  finalize?(
    object: ObjectOf<Target>,
    context: DecoratorContext<Attachments>,
  ): (Decoration<Attachments> & { finalized: boolean }) | DecoratorHold
  related?(object: ObjectOf<Target>): readonly Related[]
}

/** Whether Metacontroller asks before it lets an object go: see `Decorated` for decorators without a `finalize`. */
export function hasFinalize(definition: Composite | Decorator): boolean {
  if (definition.finalize !== undefined) return true
  if (definition.controller === 'composite') return false
  return definition.resources.some(({ labelSelector, annotationSelector }) => labelSelector ?? annotationSelector)
}

/** Whether Metacontroller asks what else to show: every kind of the suite is related to what ends an outage at least. */
export function hasCustomize(definition: Composite | Decorator): boolean {
  return definition.controller === 'composite' || definition.related !== undefined
}

export type Definition = Composite | Decorator

type InputOf<V> = V extends { spec: infer Spec extends z.ZodType } ? z.input<Spec> : never
type SpecOf<V> = V extends { spec: infer Spec extends z.ZodType } ? z.output<Spec> : never
type StatusOf<V> = V extends { status: infer Status extends z.ZodType } ? z.output<Status> : never
type ConvertibleOf<V> = Convertible<InputOf<V>, StatusOf<V>>
type ConvertedOf<V> = Converted<InputOf<V>, StatusOf<V>>
/** The conversion between a version and the stored one, as their schemas have it. */
export type ConversionOf<Own, Stored> = Conversion<
  ConvertibleOf<Own>,
  ConvertibleOf<Stored>,
  ConvertedOf<Stored>,
  ConvertedOf<Own>
>
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
  readonly conversions?: {
    readonly [V in Exclude<keyof Versions, Storage>]?: ConversionOf<Versions[V], Versions[Storage]>
  }
  readonly children: readonly Children[]
  readonly clock?: Clock
  validate?(
    parent: Parent<SpecOf<Versions[Storage]>, StatusOf<Versions[Storage]>>,
    review: Review<Parent<SpecOf<Versions[Storage]>, StatusOf<Versions[Storage]>>>,
  ): Findings
  default?(
    parent: Parent<SpecOf<Versions[Storage]>, StatusOf<Versions[Storage]>>,
    review: Review<Parent<SpecOf<Versions[Storage]>, StatusOf<Versions[Storage]>>>,
  ): Some<InputOf<Versions[Storage]>>
  counts?(metadata: Parent['metadata'], observed: Observed<Children>): Partial<StatusOf<Versions[Storage]>>
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
export function decorator<const Rules extends readonly Decorated[], Attachments extends ResourceType>(
  options: Omit<Decorator<Rules[number]['type'], Attachments>, 'controller' | 'resources'> & { resources: Rules },
): Decorator {
  refuseTakenOver(options)
  return { ...options, controller: 'decorator' }
}

// The controller of a kind looks at every object of its child kinds that the resource owns: one without its label it
// disowns, and one with it it deletes as none of its children. So what a decorator attaches must be of another kind.
function refuseTakenOver({
  name,
  resources,
  attachments,
}: Pick<Decorator, 'name' | 'resources' | 'attachments'>): void {
  for (const { definition } of resources) {
    const taken = definition?.children.find(({ kind }) => attachments.some((attachment) => attachment.kind === kind))
    if (definition === undefined || taken === undefined) continue
    throw new Error(
      `${name}: a ${taken.kind} cannot be attached to a ${definition.kind}, whose own controller takes every ${taken.kind} of it for its own: attach it to one of its children`,
    )
  }
}

/**
 * The objects of a kind of this suite, for a decorator's `resources`: `objectsOf<Database>(database)`. They come checked
 * and defaulted; one that is invalid is left as it is, since its own conditions say what is wrong.
 */
export function objectsOf<Resource extends { apiVersion: string; kind: string; metadata: ObjectMeta }>(
  definition: Composite,
): Decorated<ResourceType<AsObject<Resource>>> {
  const { apiVersion, kind } = parentType(definition)
  const namespaced = definition.scope === 'Namespaced'
  return { type: resourceType(apiVersion, kind, definition.plural, { namespaced }), definition }
}

/** An interface as a type that any object of the API can be. */
type AsObject<Resource> = { [Field in keyof Resource]: Resource[Field] }

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
