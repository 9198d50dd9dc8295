// Objects such as hooks answer, and such as the API server refuses: what the simulator and a real API server make of
// each is compared (test/cluster/agreement.test.ts).
import type { KubernetesObject } from '../../hooks/sdk/kubernetes.ts'

const labels = { app: 'x' }
const selector = { matchLabels: labels }

function object(apiVersion: string, kind: string, name: string, rest: Record<string, unknown>): KubernetesObject {
  return { apiVersion, kind, metadata: { name, labels }, ...rest }
}

const pod = {
  serviceAccountName: 'x',
  automountServiceAccountToken: false,
  nodeSelector: {},
  tolerations: [],
  hostNetwork: false,
  securityContext: { runAsNonRoot: true, runAsUser: 999, fsGroup: 999, seccompProfile: { type: 'RuntimeDefault' } },
  affinity: {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 100, podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: selector } },
      ],
    },
  },
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'topology.kubernetes.io/zone',
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: selector,
    },
  ],
  initContainers: [{ name: 'init', image: 'busybox', command: ['sh', '-c', ''] }],
  containers: [
    {
      name: 'main',
      image: 'postgres:13.8',
      args: ['-c', 'config_file=/etc/x'],
      env: [
        { name: 'EMPTY', value: '' },
        { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'x', key: 'password' } } },
        { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory' } } },
      ],
      envFrom: [{ secretRef: { name: 'x', optional: false } }],
      ports: [{ name: 'db', containerPort: 5432 }],
      resources: { limits: { cpu: 1, memory: '1024Mi' }, requests: { cpu: '0.5', memory: '536870912' } },
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
      startupProbe: { exec: { command: ['pg_isready'] }, failureThreshold: 60 },
      readinessProbe: { tcpSocket: { port: 'db' }, initialDelaySeconds: 0 },
      livenessProbe: { httpGet: { port: 80 } },
      lifecycle: { preStop: { exec: { command: ['stop'] } } },
      volumeMounts: [
        { name: 'data', mountPath: '/data', subPath: 'db' },
        { name: 'config', mountPath: '/etc/x', readOnly: true },
        { name: 'scratch', mountPath: '/tmp', readOnly: false },
      ],
    },
  ],
  volumes: [
    { name: 'config', configMap: { name: 'x', items: [{ key: 'a', path: 'a' }] } },
    { name: 'scratch', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
    { name: 'plain', emptyDir: {} },
    { name: 'keys', secret: { secretName: 'x', defaultMode: 288 } },
    {
      name: 'mixed',
      projected: {
        sources: [
          { secret: { name: 'x' } },
          { serviceAccountToken: { path: 'token' } },
          { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
        ],
      },
    },
  ],
}
const withoutData = {
  ...pod,
  containers: pod.containers.map((container) => ({ ...container, volumeMounts: container.volumeMounts.slice(1) })),
}
const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1024Mi' } } }
const jobPod = { restartPolicy: 'OnFailure', containers: [{ name: 'main', image: 'backup:1' }] }

/** Objects that are taken, by a name for each. */
export const taken: Readonly<Record<string, KubernetesObject>> = {
  'a full StatefulSet': object('apps/v1', 'StatefulSet', 'full', {
    spec: {
      replicas: 0,
      serviceName: 'x',
      selector,
      template: { metadata: { labels, annotations: {} }, spec: pod },
      volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claim }],
    },
  }),
  'a StatefulSet without a service name': object('apps/v1', 'StatefulSet', 'bare', {
    spec: {
      replicas: 0,
      selector,
      minReadySeconds: 0,
      updateStrategy: { type: 'OnDelete' },
      template: { metadata: { labels }, spec: withoutData },
    },
  }),
  'a Deployment': object('apps/v1', 'Deployment', 'd', {
    spec: { replicas: 0, selector, template: { metadata: { labels }, spec: withoutData } },
  }),
  'a Deployment of the Recreate strategy': object('apps/v1', 'Deployment', 'r', {
    spec: {
      replicas: 0,
      paused: false,
      selector,
      strategy: { type: 'Recreate' },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            { name: 'main', image: 'a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000' },
          ],
        },
      },
    },
  }),
  'a DaemonSet': object('apps/v1', 'DaemonSet', 'ds', {
    spec: {
      selector,
      template: {
        metadata: { labels },
        spec: { nodeSelector: { none: 'such' }, containers: [{ name: 'main', image: 'x' }] },
      },
    },
  }),
  'a Job': object('batch/v1', 'Job', 'j', {
    spec: { suspend: true, template: { metadata: { labels }, spec: jobPod } },
  }),
  'a Job that runs': object('batch/v1', 'Job', 'runs', { spec: { template: { spec: jobPod } } }),
  'a Job with limits': object('batch/v1', 'Job', 'limits', {
    spec: {
      suspend: true,
      parallelism: 2,
      backoffLimit: 0,
      activeDeadlineSeconds: 60,
      ttlSecondsAfterFinished: 0,
      template: { spec: { ...jobPod, restartPolicy: 'Never' } },
    },
  }),
  'a CronJob': object('batch/v1', 'CronJob', 'c', {
    spec: {
      schedule: '0 2 * * *',
      timeZone: 'Europe/Berlin',
      suspend: true,
      failedJobsHistoryLimit: 0,
      startingDeadlineSeconds: 60,
      jobTemplate: { spec: { template: { metadata: { labels }, spec: jobPod } } },
    },
  }),
  'a Service': object('v1', 'Service', 'plain', { spec: { selector: labels, ports: [{ port: 5432 }] } }),
  'a headless Service': object('v1', 'Service', 'headless', {
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: labels,
      ports: [{ name: 'db', port: 5432, targetPort: 'db' }],
    },
  }),
  'a headless Service not ready at all': object('v1', 'Service', 'unready', {
    spec: { clusterIP: 'None', publishNotReadyAddresses: false, selector: labels },
  }),
  'a LoadBalancer Service': object('v1', 'Service', 'balanced', {
    spec: {
      type: 'LoadBalancer',
      selector: labels,
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 443, targetPort: 8443 },
      ],
    },
  }),
  'a sticky Service': object('v1', 'Service', 'sticky', {
    spec: { sessionAffinity: 'ClientIP', selector: labels, ports: [{ port: 80 }] },
  }),
  'an ExternalName Service': object('v1', 'Service', 'named', {
    spec: { type: 'ExternalName', externalName: 'example.com' },
  }),
  'a ConfigMap': object('v1', 'ConfigMap', 'x', { data: { a: '', b: 'text\n' } }),
  'an empty ConfigMap': object('v1', 'ConfigMap', 'empty', { data: {} }),
  'a Secret': object('v1', 'Secret', 'x', { data: { a: 'Yg==', empty: '' }, stringData: { c: 'd' } }),
  'a ServiceAccount': object('v1', 'ServiceAccount', 'x', { automountServiceAccountToken: false }),
  'a claim': object('v1', 'PersistentVolumeClaim', 'x', { spec: claim }),
  'a claim without a class': object('v1', 'PersistentVolumeClaim', 'classless', {
    spec: { ...claim, storageClassName: '' },
  }),
  'a disruption budget': object('policy/v1', 'PodDisruptionBudget', 'x', { spec: { maxUnavailable: 1, selector } }),
  'a disruption budget for everything': object('policy/v1', 'PodDisruptionBudget', 'all', {
    spec: { minAvailable: '50%', selector: {} },
  }),
  'a network policy': object('networking.k8s.io/v1', 'NetworkPolicy', 'x', {
    spec: {
      podSelector: selector,
      ingress: [
        {
          from: [{ podSelector: {} }, { namespaceSelector: {}, podSelector: selector }],
          ports: [{ port: 5432 }, { port: 'metrics', protocol: 'TCP' }],
        },
      ],
      egress: [{}, { to: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }],
    },
  }),
  'a network policy that denies all': object('networking.k8s.io/v1', 'NetworkPolicy', 'deny', {
    spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [] },
  }),
  'an Ingress': object('networking.k8s.io/v1', 'Ingress', 'x', {
    spec: {
      ingressClassName: 'nginx',
      rules: [
        {
          host: 'a.example.com',
          http: {
            paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'plain', port: { number: 80 } } } }],
          },
        },
      ],
      tls: [{ hosts: ['a.example.com'], secretName: 'x' }],
    },
  }),
  'an autoscaler': object('autoscaling/v2', 'HorizontalPodAutoscaler', 'x', {
    spec: {
      maxReplicas: 5,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'none' },
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
      ],
    },
  }),
  'an autoscaler with behaviour': object('autoscaling/v2', 'HorizontalPodAutoscaler', 'behaved', {
    spec: {
      minReplicas: 2,
      maxReplicas: 5,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'none' },
      behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
    },
  }),
  'a Role': object('rbac.authorization.k8s.io/v1', 'Role', 'x', {
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  }),
  'a RoleBinding': object('rbac.authorization.k8s.io/v1', 'RoleBinding', 'x', {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'x' },
    subjects: [
      { kind: 'ServiceAccount', name: 'x', namespace: 'default' },
      { kind: 'User', name: 'me' },
    ],
  }),
}

/** Merge patches of taken objects: each is taken or refused, here as there. */
export const patches: readonly (readonly [of: string, patch: object])[] = [
  [
    'a full StatefulSet',
    {
      spec: {
        volumeClaimTemplates: [
          { metadata: { name: 'data' }, spec: { ...claim, resources: { requests: { storage: '2Gi' } } } },
        ],
      },
    },
  ],
  ['a full StatefulSet', { spec: { serviceName: 'other' } }],
  ['a full StatefulSet', { spec: { template: { spec: { containers: [{ name: 'main', image: 'postgres:14' }] } } } }],
  ['a full StatefulSet', { spec: { selector: { matchLabels: { app: 'y' } } } }],
  [
    'a Deployment',
    { spec: { selector: { matchLabels: { app: 'y' } }, template: { metadata: { labels: { app: 'y' } } } } },
  ],
  ['a Deployment', { spec: { replicas: null, template: { spec: { containers: null } } } }],
  ['a Job that runs', { spec: { template: { spec: { restartPolicy: 'Never' } } } }],
  ['a Job', { spec: { parallelism: 0 } }],
  ['a CronJob', { spec: { schedule: '61 * * * *' } }],
  ['a CronJob', { spec: { timeZone: 'Mars/Phobos' } }],
  ['a Service', { spec: { clusterIP: '10.0.0.77' } }],
  ['a Service', { spec: { type: 'NodePort' } }],
  [
    'a Service',
    {
      spec: {
        ports: [
          { port: 80, name: 'a' },
          { port: 80, name: 'b' },
        ],
      },
    },
  ],
  ['a claim', { spec: { accessModes: ['ReadWriteMany'] } }],
  ['a claim', { spec: { resources: { requests: { storage: '512Mi' } } } }],
  ['a Secret', { type: 'kubernetes.io/tls' }],
  ['a Secret', { immutable: true }],
  ['a RoleBinding', { roleRef: { name: 'y' } }],
  ['a disruption budget', { spec: { minAvailable: 1 } }],
  ['an autoscaler', { spec: { maxReplicas: 0 } }],
  ['a ConfigMap', { metadata: { labels: { bad: 'not a label' } } }],
  ['a ConfigMap', { data: { 'not a key': 'x' } }],
]

const one = (spec: Record<string, unknown>) => ({ selector, template: { metadata: { labels }, spec } })

/** Objects that are refused. */
export const refused: Readonly<Record<string, KubernetesObject>> = {
  'a StatefulSet without containers': object('apps/v1', 'StatefulSet', 'no', { spec: one({ containers: [] }) }),
  'a mount without its volume': object('apps/v1', 'Deployment', 'no', {
    spec: one({ containers: [{ name: 'a', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/v' }] }] }),
  }),
  'two containers of one name': object('apps/v1', 'Deployment', 'no', {
    spec: one({
      containers: [
        { name: 'a', image: 'x' },
        { name: 'a', image: 'x' },
      ],
    }),
  }),
  'a container without an image': object('apps/v1', 'Deployment', 'no', { spec: one({ containers: [{ name: 'a' }] }) }),
  'labels that miss the selector': object('apps/v1', 'Deployment', 'no', {
    spec: {
      selector: { matchLabels: { app: 'y' } },
      template: one({ containers: [{ name: 'a', image: 'x' }] }).template,
    },
  }),
  'a Job that restarts always': object('batch/v1', 'Job', 'no', {
    spec: { template: { spec: { containers: [{ name: 'a', image: 'x' }] } } },
  }),
  'requests above limits': object('apps/v1', 'Deployment', 'no', {
    spec: one({ containers: [{ name: 'a', image: 'x', resources: { limits: { cpu: 1 }, requests: { cpu: 2 } } }] }),
  }),
  'a port that is none': object('v1', 'Service', 'no', { spec: { ports: [{ port: 99999 }] } }),
  'a Service without ports': object('v1', 'Service', 'no', { spec: { selector: labels } }),
  'a Service whose name is a number': object('v1', 'Service', '1no', { spec: { ports: [{ port: 1 }] } }),
  'a CronJob with a long name': object('batch/v1', 'CronJob', 'n'.repeat(53), {
    spec: { schedule: '@daily', jobTemplate: { spec: { template: { spec: jobPod } } } },
  }),
  'a CronJob without a schedule': object('batch/v1', 'CronJob', 'no', {
    spec: { schedule: '', jobTemplate: { spec: { template: { spec: jobPod } } } },
  }),
  'a name in capitals': object('v1', 'ConfigMap', 'No', {}),
  'a claim without a size': object('v1', 'PersistentVolumeClaim', 'no', { spec: { accessModes: ['ReadWriteOnce'] } }),
  'a claim without a mode': object('v1', 'PersistentVolumeClaim', 'no', {
    spec: { resources: { requests: { storage: '1Gi' } } },
  }),
}

const text = { type: 'string' }

/** A CRD of kind Thing, with one field for each rule of a structural schema. */
export const thingCrd: KubernetesObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'things.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { kind: 'Thing', plural: 'things', singular: 'thing', listKind: 'ThingList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: thingSpec(), status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        },
      },
    ],
  },
}

function thingSpec(): Record<string, unknown> {
  const user = {
    type: 'object',
    required: ['name'],
    properties: { name: { ...text, maxLength: 63 }, admin: { type: 'boolean', default: false } },
  }
  return {
    type: 'object',
    properties: {
      engine: {
        ...text,
        enum: ['postgresql', 'mysql'],
        maxLength: 20,
        'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'engine cannot change' }],
      },
      version: { ...text, pattern: '^[0-9]+$' },
      replicas: { type: 'integer', minimum: 1, maximum: 10, default: 3 },
      ratio: { type: 'number', minimum: 0, exclusiveMinimum: true, maximum: 1 },
      short: { ...text, minLength: 1, maxLength: 3 },
      list: { type: 'array', maxItems: 1, items: { ...text, maxLength: 10 } },
      set: { type: 'array', maxItems: 10, items: { ...text, maxLength: 10 }, 'x-kubernetes-list-type': 'set' },
      users: {
        type: 'array',
        maxItems: 10,
        items: user,
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      },
      port: { 'x-kubernetes-int-or-string': true },
      time: { ...text, format: 'duration' },
      date: { ...text, format: 'date-time' },
      maybe: { ...text, nullable: true },
      labels: { type: 'object', maxProperties: 2, additionalProperties: { ...text, maxLength: 10 } },
      free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      size: {
        ...text,
        maxLength: 20,
        'x-kubernetes-validations': [
          { rule: 'isQuantity(self)', message: 'size is a quantity' },
          { rule: 'quantity(self).compareTo(quantity(oldSelf)) >= 0', message: 'size never shrinks' },
        ],
      },
      nested: {
        type: 'object',
        default: {},
        properties: {
          on: { type: 'boolean', default: true },
          inner: { type: 'object', required: ['x'], properties: { x: { type: 'integer' } } },
        },
      },
    },
    'x-kubernetes-validations': [
      {
        rule: "!has(self.engine) || self.engine != 'mysql' || self.replicas <= 9",
        messageExpression: "'too many replicas for ' + self.engine",
        fieldPath: '.replicas',
      },
      {
        rule: '!has(self.users) || self.users.exists(u, u.admin)',
        message: 'one user is an admin',
        reason: 'FieldValueRequired',
      },
      { rule: '!has(oldSelf.labels) || has(self.labels)', message: 'labels stay', reason: 'FieldValueForbidden' },
    ],
  }
}

/** Specs of Things: each is applied over the one before it under the same name. */
export const things: readonly (readonly [name: string, spec: Record<string, unknown>])[] = [
  ['a', {}],
  [
    'a',
    {
      unknown: 1,
      users: [{ name: 'x', admin: true, more: 1 }],
      nested: { other: 1 },
      free: { deep: [1] },
      maybe: null,
      replicas: null,
    },
  ],
  ['b', { engine: 'oracle' }],
  ['b', { version: 'abc', short: '', replicas: 0, ratio: 0 }],
  ['b', { replicas: 11, ratio: 2 }],
  ['b', { short: 'four' }],
  ['b', { list: ['a', 'b'] }],
  ['b', { list: 'a', short: 3 }],
  ['b', { set: ['a', 'b', 'a'] }],
  ['b', { users: [{ name: 'x', admin: true }, { name: 'x' }] }],
  ['b', { users: [{ admin: true }] }],
  ['b', { users: [{ name: 'x' }] }],
  ['b', { port: true }],
  ['b', { port: 'http', time: '1 hour', date: 'yesterday' }],
  ['b', { time: '1h30m', date: '2030-01-01T00:00:00Z', port: 80 }],
  ['b', { labels: { a: '1', b: '2', c: '3' } }],
  ['b', { nested: { inner: {} } }],
  ['b', { engine: 'mysql', replicas: 10 }],
  ['b', { size: 'big' }],
  ['c', { engine: 'mysql', size: '1Gi', labels: { a: '1' } }],
  ['c', { engine: 'postgresql', size: '1Gi', labels: { a: '1' } }],
  ['c', { engine: 'mysql', size: '1023Mi' }],
  ['c', { engine: 'mysql', size: '2048Mi', labels: { a: '1' }, version: '14' }],
]
