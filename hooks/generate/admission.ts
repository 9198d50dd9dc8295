// What makes the API server ask the hook service before it stores a resource.
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
import { type Composite, type Definition, hookName, storedVersion } from '../sdk/definition.ts'
import { versionOf } from '../sdk/kubernetes.ts'
import { hookService } from './controllers.ts'

/** Where the API server calls the service, and what it trusts there. */
export interface WebhookOptions {
  /** Base of the URL where the service is outside of the cluster; https. */
  url?: string
  /** The Service in front of it, unless `url` is given; `operator-hooks` in namespace `operator-hooks`, port 443. */
  service?: { name: string; namespace: string; port?: number }
  /** Authorities that the service's certificate may be of, PEM in base64; cert-manager fills it in otherwise. */
  caBundle?: string
}

export interface WebhookClientConfig {
  url?: string
  service?: { name: string; namespace: string; path: string; port: number }
  caBundle?: string
}

export interface WebhookConfiguration {
  apiVersion: 'admissionregistration.k8s.io/v1'
  kind: 'ValidatingWebhookConfiguration' | 'MutatingWebhookConfiguration'
  metadata: { name: string; labels: Record<string, string> }
  webhooks: Webhook[]
}

interface Webhook {
  name: string
  clientConfig: WebhookClientConfig
  rules: Rule[]
  matchPolicy: 'Equivalent'
  namespaceSelector: { matchExpressions: { key: string; operator: 'NotIn'; values: string[] }[] }
  matchConditions: { name: string; expression: string }[]
  failurePolicy: 'Ignore'
  sideEffects: 'None'
  timeoutSeconds: number
  reinvocationPolicy?: 'IfNeeded'
  admissionReviewVersions: ['v1']
}

interface Rule {
  apiGroups: string[]
  apiVersions: string[]
  resources: string[]
  operations: ('CREATE' | 'UPDATE')[]
  scope: 'Namespaced' | 'Cluster'
}

/** The ValidatingWebhookConfiguration, and the MutatingWebhookConfiguration where a kind has a `default` of its own. */
export function webhookConfigurations(
  definitions: readonly Definition[],
  options: WebhookOptions = {},
): WebhookConfiguration[] {
  const composites = definitions.filter((definition) => definition.controller === 'composite')
  const defaulting = composites.filter((composite) => composite.default !== undefined)
  const validating = composites.map((composite) => webhook(composite, 'validate', options))
  // A webhook that comes later may add what this one's values depend on; asked again, it fills in only what is absent.
  const mutating = defaulting.map((composite) => ({
    ...webhook(composite, 'default', options),
    reinvocationPolicy: 'IfNeeded' as const,
  }))
  return [
    ...(validating.length > 0 ? [configuration('ValidatingWebhookConfiguration', validating)] : []),
    ...(mutating.length > 0 ? [configuration('MutatingWebhookConfiguration', mutating)] : []),
  ]
}

/** How the API server reaches a path of the service. */
export function clientConfig(path: string, { url, service, caBundle }: WebhookOptions): WebhookClientConfig {
  const { name, namespace, port = 443 }: NonNullable<typeof service> = service ?? hookService
  return {
    ...(url === undefined ? { service: { name, namespace, path, port } } : { url: `${url.replace(/\/$/, '')}${path}` }),
    ...(caBundle === undefined ? {} : { caBundle }),
  }
}

function configuration(kind: WebhookConfiguration['kind'], webhooks: Webhook[]): WebhookConfiguration {
  const metadata = { name: 'operator-hooks', labels: { 'app.kubernetes.io/part-of': 'operator-hooks' } }
  return { apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata, webhooks }
}

function webhook(definition: Composite, hook: 'validate' | 'default', options: WebhookOptions): Webhook {
  const { group, plural, scope } = definition
  const { namespace } = options.service ?? hookService
  return {
    name: `${hook}.${plural}.${group}`,
    clientConfig: clientConfig(`/admission/${hookName(definition)}/${hook}`, options),
    rules: [
      {
        apiGroups: [group],
        apiVersions: [versionOf(storedVersion(definition).apiVersion)],
        resources: [plural],
        operations: ['CREATE', 'UPDATE'],
        scope,
      },
    ],
    // Requests for other versions come converted to the stored one.
    matchPolicy: 'Equivalent',
    // The service must not stand in its own way, nor in that of the cluster's own parts.
    namespaceSelector: {
      matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', namespace] }],
    },
    matchConditions: [
      // Finalizers come off whatever the spec is like.
      { name: 'is-not-being-deleted', expression: '!has(object.metadata.deletionTimestamp)' },
      // Labels, finalizers and the like, which controllers write all the time, change nothing that is looked at.
      { name: 'changes-the-spec', expression: 'oldObject == null || object.?spec != oldObject.?spec' },
    ],
    // While the service is away resources are stored unseen; it holds what it then finds to be wrong.
    failurePolicy: 'Ignore',
    sideEffects: 'None',
    timeoutSeconds: 3,
    admissionReviewVersions: ['v1'],
  }
}
