/** Annotations of a WebApp that a rollout obeys. */
export const annotations = {
  /** A revision that a person has found good: with promotion manual, it goes on. */
  promote: 'platform.example.com/promote',
  /** A revision that a person has found bad: it is rolled back at once. */
  abort: 'platform.example.com/abort',
  /** The canary's weight that the HTTPRoute is known to have; the integration with the Gateway API writes it. */
  routeWeight: 'platform.example.com/route-weight',
} as const
