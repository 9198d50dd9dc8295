// What the API server refuses of built-in objects: the rules of pkg/apis/*/validation of Kubernetes 1.36 that a
// controller's children can run into, worded as there. It is no full validation.
import { Cron } from 'croner'
import { equal } from '../sdk/equal.ts'
import { isRecord, type KubernetesObject } from '../sdk/kubernetes.ts'
import { compareQuantities } from '../sdk/quantity.ts'
import {
  duplicateValue,
  type FieldError,
  forbiddenField,
  invalidValue,
  requiredValue,
  unsupportedValue,
} from './errors.ts'
import { at, listAt, numberAt, recordAt, stringsOf, textAt } from './json.ts'
import { checkLabels } from './names.ts'
import type { Resource } from './resources.ts'
import { isEmptySelector, selectorOf } from './selectors.ts'

/** What is wrong with a defaulted built-in object, and, on an update, with its difference to the old one. */
export function checkBuiltin(
  object: KubernetesObject,
  old: KubernetesObject | undefined,
  resource: Resource,
): FieldError[] {
  if (resource.crd !== undefined) return []
  const causes = creation[resource.kind]?.(object) ?? []
  return old === undefined ? causes : [...causes, ...(update[resource.kind]?.(object, old) ?? [])]
}

const creation: Record<string, (object: KubernetesObject) => FieldError[]> = {
  Deployment: (object) => [...checkSelected(object), ...checkPodTemplate(object, ['Always'])],
  ReplicaSet: (object) => [...checkSelected(object), ...checkPodTemplate(object, ['Always'])],
  DaemonSet: (object) => [...checkSelected(object), ...checkPodTemplate(object, ['Always'])],
  StatefulSet: (object) => [...checkSelected(object), ...checkPodTemplate(object, ['Always'], claimNames(object))],
  Job: (object) => checkPodTemplate(object, ['OnFailure', 'Never']),
  Pod: (object) => checkPodSpec('spec', at(object, 'spec'), []),
  CronJob(object) {
    return [
      ...checkSchedule(object),
      ...checkTemplate(
        'spec.jobTemplate.spec.template',
        at(object, 'spec', 'jobTemplate', 'spec', 'template'),
        ['OnFailure', 'Never'],
        [],
      ),
    ]
  },
  Service: checkService,
  PodDisruptionBudget(object) {
    const { minAvailable, maxUnavailable } = recordAt(object, 'spec')
    return minAvailable !== undefined && maxUnavailable !== undefined
      ? [invalidValue('spec', 'minAvailable and maxUnavailable cannot be both set', at(object, 'spec'))]
      : []
  },
  HorizontalPodAutoscaler(object) {
    const minimum = numberAt(object, 'spec', 'minReplicas') ?? 1
    const maximum = numberAt(object, 'spec', 'maxReplicas') ?? 0
    const field = 'spec.maxReplicas'
    const causes: FieldError[] = []
    if (maximum < 1) causes.push(requiredValue(field, 'must be set and greater than 0'))
    if (maximum < minimum) causes.push(invalidValue(field, 'must be greater than or equal to `minReplicas`', maximum))
    return causes
  },
  PersistentVolumeClaim(object) {
    const modes = listAt(object, 'spec', 'accessModes')
    const causes = modes.length === 0 ? [requiredValue('spec.accessModes', 'at least 1 access mode is required')] : []
    if (at(object, 'spec', 'resources', 'requests', 'storage') === undefined)
      causes.push(requiredValue('spec.resources[storage]'))
    return causes
  },
  Secret(object) {
    const data = recordAt(object, 'data')
    const needed = object.type === 'kubernetes.io/tls' ? ['tls.crt', 'tls.key'] : []
    const missing = needed.filter((key) => !(key in data)).map((key) => requiredValue(`data[${key}]`))
    return [...Object.keys(data).flatMap((key) => checkDataKey(`data[${key}]`, key)), ...missing]
  },
  ConfigMap: (object) => Object.keys(recordAt(object, 'data')).flatMap((key) => checkDataKey(`data[${key}]`, key)),
}

const immutable = 'field is immutable'

const update: Record<string, (object: KubernetesObject, old: KubernetesObject) => FieldError[]> = {
  Deployment: (object, old) => same(object, old, 'selector'),
  ReplicaSet: (object, old) => same(object, old, 'selector'),
  DaemonSet: (object, old) => same(object, old, 'selector'),
  StatefulSet(object, old) {
    const changeable = [
      'replicas',
      'ordinals',
      'template',
      'updateStrategy',
      'revisionHistoryLimit',
      'persistentVolumeClaimRetentionPolicy',
      'minReadySeconds',
    ]
    const fixed = (candidate: KubernetesObject) => without(recordAt(candidate, 'spec'), changeable)
    if (equal(fixed(object), fixed(old))) return []
    const names =
      "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'"
    return [forbiddenField('spec', `updates to statefulset spec for fields other than ${names} are forbidden`)]
  },
  Job(object, old) {
    // Only a suspended Job that never started may change its template's scheduling; no kind here does that.
    return [
      ...same(object, old, 'selector'),
      ...same(object, old, 'template'),
      ...same(object, old, 'completionMode'),
      ...same(object, old, 'completions'),
    ]
  },
  Service(object, old) {
    const before = textAt(old, 'spec', 'clusterIP')
    const after = textAt(object, 'spec', 'clusterIP')
    if (before === undefined || before === after || at(object, 'spec', 'type') === 'ExternalName') return []
    return [invalidValue('spec.clusterIPs[0]', 'may not change once set', after === undefined ? [] : [after])]
  },
  PersistentVolumeClaim(object, old) {
    const path = ['spec', 'resources', 'requests', 'storage']
    const [before, after] = [textAt(old, ...path), textAt(object, ...path)]
    const fixed = (candidate: KubernetesObject) =>
      without(recordAt(candidate, 'spec'), ['resources', 'volumeName', 'storageClassName', 'volumeAttributesClassName'])
    const causes: FieldError[] = []
    const bound = at(old, 'status', 'phase') === 'Bound'
    const grown = before !== after
    if (!equal(fixed(object), fixed(old)) || (grown && !bound)) {
      causes.push(
        forbiddenField(
          'spec',
          'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
        ),
      )
    }
    if (bound && before !== undefined && after !== undefined && compareQuantities(after, before) < 0) {
      causes.push(forbiddenField(path.join('.'), 'field can not be less than status.capacity'))
    }
    return causes
  },
  Secret: (object, old) => [
    ...(at(object, 'type') === at(old, 'type') ? [] : [invalidValue('type', immutable, at(object, 'type'))]),
    ...frozen(object, old),
  ],
  ConfigMap: frozen,
  RoleBinding: (object, old) =>
    equal(at(object, 'roleRef'), at(old, 'roleRef'))
      ? []
      : [invalidValue('roleRef', 'cannot change roleRef', at(object, 'roleRef'))],
  Pod(object, old) {
    const fixed = (candidate: KubernetesObject) => ({
      ...without(recordAt(candidate, 'spec'), [
        'activeDeadlineSeconds',
        'terminationGracePeriodSeconds',
        'tolerations',
        'nodeName',
        'containers',
        'initContainers',
      ]),
      containers: listAt(candidate, 'spec', 'containers').map((container) =>
        isRecord(container) ? without(container, ['image']) : container,
      ),
    })
    const updatable =
      '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'
    return equal(fixed(object), fixed(old))
      ? []
      : [forbiddenField('spec', `pod updates may not change fields other than ${updatable}`)]
  },
}

function same(object: KubernetesObject, old: KubernetesObject, field: string): FieldError[] {
  const value = at(object, 'spec', field)
  return equal(value, at(old, 'spec', field)) ? [] : [invalidValue(`spec.${field}`, immutable, value)]
}

function frozen(object: KubernetesObject, old: KubernetesObject): FieldError[] {
  if (old.immutable !== true) return []
  const causes =
    object.immutable === true ? [] : [forbiddenField('immutable', 'field is immutable when `immutable` is set')]
  if (!equal(object.data, old.data)) causes.push(forbiddenField('data', 'field is immutable when `immutable` is set'))
  return causes
}

function without(record: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !names.includes(key)))
}

function checkSelected(object: KubernetesObject): FieldError[] {
  const selector = at(object, 'spec', 'selector')
  if (selector === undefined) return [requiredValue('spec.selector')]
  if (isEmptySelector(selector))
    return [invalidValue('spec.selector', 'empty selector is invalid for deployment', selector)]
  const labels = stringsOf(at(object, 'spec', 'template', 'metadata', 'labels'))
  if (selectorOf(selector)(labels)) return []
  return [invalidValue('spec.template.metadata.labels', '`selector` does not match template `labels`', labels)]
}

function claimNames(object: KubernetesObject): string[] {
  return listAt(object, 'spec', 'volumeClaimTemplates').map((claim) => textAt(claim, 'metadata', 'name') ?? '')
}

function checkPodTemplate(
  object: KubernetesObject,
  restartPolicies: readonly string[],
  claims: readonly string[] = [],
): FieldError[] {
  return checkTemplate('spec.template', at(object, 'spec', 'template'), restartPolicies, claims)
}

function checkTemplate(
  path: string,
  template: unknown,
  restartPolicies: readonly string[],
  claims: readonly string[],
): FieldError[] {
  const policy = at(template, 'spec', 'restartPolicy')
  return [
    ...checkLabels(`${path}.labels`, stringsOf(at(template, 'metadata', 'labels'))),
    ...checkPodSpec(`${path}.spec`, at(template, 'spec'), claims),
    ...checkRestartPolicy(`${path}.spec.restartPolicy`, policy, restartPolicies),
  ]
}

function checkRestartPolicy(field: string, policy: unknown, allowed: readonly string[]): FieldError[] {
  if (allowed.includes(String(policy))) return []
  // A Job must say which; Always, the default of every other pod, counts as not said.
  const unsaid =
    policy === 'Always'
      ? [requiredValue(field, `valid values: ${allowed.map((name) => JSON.stringify(name)).join(', ')}`)]
      : []
  return unsaid.length > 0 ? unsaid : [unsupportedValue(field, policy, allowed)]
}

function checkPodSpec(path: string, spec: unknown, claims: readonly string[]): FieldError[] {
  const volumes = listAt(spec, 'volumes').map((volume) => textAt(volume, 'name') ?? '')
  const containers = listAt(spec, 'containers')
  const names = new Set<string>()
  const causes = containers.length === 0 ? [requiredValue(`${path}.containers`)] : []
  for (const field of ['initContainers', 'containers']) {
    for (const [index, container] of listAt(spec, field).entries()) {
      const where = `${path}.${field}[${index}]`
      const name = textAt(container, 'name') ?? ''
      if (name === '') causes.push(requiredValue(`${where}.name`))
      else if (names.has(name)) causes.push(duplicateValue(`${where}.name`, name))
      names.add(name)
      causes.push(...checkContainer(where, container, [...volumes, ...claims]))
    }
  }
  for (const [index, name] of volumes.entries()) {
    if (name === '') causes.push(requiredValue(`${path}.volumes[${index}].name`))
    else if (volumes.indexOf(name) !== index) causes.push(duplicateValue(`${path}.volumes[${index}].name`, name))
  }
  return causes
}

function checkContainer(where: string, container: unknown, volumes: readonly string[]): FieldError[] {
  const causes = textAt(container, 'image') === undefined ? [requiredValue(`${where}.image`)] : []
  const paths = new Set<string>()
  for (const [index, mount] of listAt(container, 'volumeMounts').entries()) {
    const name = textAt(mount, 'name') ?? ''
    const path = textAt(mount, 'mountPath') ?? ''
    if (!volumes.includes(name))
      causes.push({ field: `${where}.volumeMounts[${index}].name`, message: `Not found: ${JSON.stringify(name)}` })
    if (paths.has(path)) causes.push(invalidValue(`${where}.volumeMounts[${index}].mountPath`, 'must be unique', path))
    paths.add(path)
  }
  for (const [index, port] of listAt(container, 'ports').entries()) {
    causes.push(...checkPort(`${where}.ports[${index}].containerPort`, at(port, 'containerPort')))
  }
  for (const [index, variable] of listAt(container, 'env').entries()) {
    if (textAt(variable, 'name') === undefined) causes.push(requiredValue(`${where}.env[${index}].name`))
    if (at(variable, 'value') !== undefined && typeof at(variable, 'value') !== 'string') {
      causes.push(invalidValue(`${where}.env[${index}].value`, 'must be a string', at(variable, 'value')))
    }
  }
  const { limits, requests } = recordAt(container, 'resources')
  for (const [name, amount] of Object.entries(stringsOf(requests))) {
    const limit = textAt(limits, name)
    if (limit !== undefined && compareQuantities(amount, limit) > 0) {
      causes.push(
        invalidValue(`${where}.resources.requests`, `must be less than or equal to ${name} limit of ${limit}`, amount),
      )
    }
  }
  return causes
}

function checkPort(field: string, port: unknown): FieldError[] {
  if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65535) return []
  return port === undefined
    ? [requiredValue(field)]
    : [invalidValue(field, 'must be between 1 and 65535, inclusive', port)]
}

function checkService(object: KubernetesObject): FieldError[] {
  const spec = recordAt(object, 'spec')
  const ports = listAt(spec, 'ports')
  const causes: FieldError[] = []
  if (ports.length === 0 && spec.clusterIP !== 'None' && spec.type !== 'ExternalName')
    causes.push(requiredValue('spec.ports'))
  const seen = new Set<string>()
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const where = `spec.ports[${index}]`
    const name = textAt(port, 'name')
    causes.push(...checkPort(`${where}.port`, at(port, 'port')))
    const target = at(port, 'targetPort')
    if (typeof target === 'number') causes.push(...checkPort(`${where}.targetPort`, target))
    if (name === undefined && ports.length > 1) causes.push(requiredValue(`${where}.name`))
    if (name !== undefined && names.has(name)) causes.push(duplicateValue(`${where}.name`, name))
    if (name !== undefined) names.add(name)
    const pair = `${textAt(port, 'protocol')}/${String(at(port, 'port'))}`
    if (seen.has(pair)) causes.push(duplicateValue(where, port))
    seen.add(pair)
  }
  return causes
}

function checkSchedule(object: KubernetesObject): FieldError[] {
  const schedule = textAt(object, 'spec', 'schedule') ?? ''
  const timeZone = textAt(object, 'spec', 'timeZone')
  const causes: FieldError[] = []
  if (schedule === '') causes.push(requiredValue('spec.schedule'))
  else if (schedule.includes('TZ'))
    causes.push(
      invalidValue('spec.schedule', 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead', schedule),
    )
  else {
    const fault = faultOfSchedule(schedule)
    if (fault !== undefined) causes.push(invalidValue('spec.schedule', fault, schedule))
  }
  if (timeZone !== undefined && !isTimeZone(timeZone))
    causes.push(invalidValue('spec.timeZone', `unknown time zone ${timeZone}`, timeZone))
  return causes
}

function faultOfSchedule(schedule: string): string | undefined {
  if (/^@every \S+$/.test(schedule)) return undefined
  const fields = schedule.trim().split(/\s+/)
  if (!schedule.startsWith('@') && fields.length !== 5)
    return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`
  try {
    new Cron(schedule, { paused: true, mode: '5-part' })
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

function checkDataKey(field: string, key: string): FieldError[] {
  const good = key.length <= 253 && /^[-._a-zA-Z0-9]+$/.test(key) && key !== '.' && !key.startsWith('..')
  return good
    ? []
    : [
        invalidValue(
          field,
          "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
          key,
        ),
      ]
}
