// The Services of one track each.
import type { Context } from '../../../sdk/definition.ts'
import { Service } from '../../../sdk/resources.ts'
import type { WebAppChildren } from '../children.ts'
import { names, type Track } from '../names.ts'
import type { WebApp } from '../schema.ts'
import { trackService } from '../services.ts'
import type { Serving } from './types.ts'

/**
 * `<name>-stable` and `<name>-canary`, with canary and blueGreen. Where a route leads to them they stay afterwards: it
 * changes only after the status has, and must not lead nowhere until then.
 */
export function trackServices(
  app: WebApp,
  observed: Context<WebAppChildren>['observed'],
  serving: Serving = 'both',
): Service[] {
  const { exposure, rollout } = app.spec
  const wanted = (track: Track) =>
    rollout.strategy !== 'rolling' ||
    (exposure?.gateway !== undefined && observed.get(Service, names(app).trackService(track)) !== undefined)
  return (['stable', 'canary'] as const)
    .filter(wanted)
    .map((track) => trackService(app, track, serving !== 'both' && serving !== track))
}
