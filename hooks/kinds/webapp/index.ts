// WebApp: an application that serves requests, and everything around it.
import { composite } from '../../sdk/definition.ts'
import { HorizontalPodAutoscaler, ResourceQuota } from '../../sdk/resources.ts'
import { children } from './children.ts'
import { columns, rules, scale, spec, status } from './schema.ts'
import { kedaLabel } from './status.ts'
import { sync } from './sync.ts'

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
  sync,
  // The autoscaler that KEDA makes belongs to KEDA, and quotas to the namespace: they are only looked at.
  relatedTypes: [HorizontalPodAutoscaler, ResourceQuota],
  // Labels that follow from the name alone: see evaluateCustomize for what Metacontroller 1.5 would mix up otherwise.
  related: ({ metadata: { name } }) => [
    { type: HorizontalPodAutoscaler, labels: { [kedaLabel]: name } },
    { type: ResourceQuota },
  ],
})
