// WebApp: an application that serves requests, and everything around it.
import { composite } from '../../sdk/definition.ts'
import { HorizontalPodAutoscaler, Pod, ResourceQuota } from '../../sdk/resources.ts'
import { children } from './children.ts'
import { trackLabels } from './names.ts'
import { columns, rules, scale, spec, status } from './schema.ts'
import { counts, kedaLabel } from './status.ts'
import { sync } from './sync.ts'
import { validate } from './validate.ts'

export const webapp = composite({
  group: 'platform.example.com',
  kind: 'WebApp',
  plural: 'webapps',
  shortNames: ['wa'],
  categories: ['all'],
  description:
    'A web application: its pods and how many of them, Services, exposure, autoscaling, network policy, disruption budget, and how new revisions come about.',
  versions: { v1: { spec, status, rules, columns, scale } },
  storage: 'v1',
  children,
  // Only rollouts look at the clock; any other answer can be cached.
  clock: true,
  validate,
  counts: (_metadata, observed) => counts(observed),
  sync,
  // Only looked at: the autoscaler that KEDA makes belongs to KEDA, quotas to the namespace; pods are for their restarts.
  relatedTypes: [HorizontalPodAutoscaler, Pod, ResourceQuota],
  // Labels that follow from the name alone: see evaluateCustomize for what Metacontroller 1.5 would mix up otherwise.
  related: (app) => [
    { type: HorizontalPodAutoscaler, labels: { [kedaLabel]: app.metadata.name } },
    { type: ResourceQuota },
    // Only where an analysis asks for it: Metacontroller begins to watch all pods of the cluster with the first that does.
    ...(app.spec.rollout.analysis === undefined ? [] : [{ type: Pod, labels: trackLabels(app, 'canary') }]),
  ],
})
