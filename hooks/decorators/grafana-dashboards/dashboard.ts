// A Grafana dashboard in a ConfigMap, as Grafana's sidecar finds it by a label:
// https://github.com/grafana/helm-charts/tree/main/charts/grafana#sidecar-for-dashboards
import { shortHash } from '../../sdk/names.ts'
import type { ConfigMap } from '../../sdk/resources.ts'

/** One graph. */
export interface Panel {
  title: string
  /** One of Grafana's units: short, percentunit, bytes, s, ops. */
  unit: string
  /** PromQL and, for the legend, what tells its series apart, such as {{pod}}. */
  queries: readonly { expr: string; legend: string }[]
}

/** The ConfigMap `<name>-<kind>-dashboard` of a resource, with one graph beside the other in two columns. */
export function dashboard(
  { kind, name, namespace, labels }: { kind: string; name: string; namespace: string; labels: Record<string, string> },
  panels: readonly Panel[],
): ConfigMap {
  const title = `${kind} ${namespace}/${name}`
  const model = {
    // Its address in Grafana, so it must not change.
    uid: shortHash(title),
    title,
    tags: ['operator-hooks', kind],
    timezone: 'browser',
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: {
      list: [{ name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' }],
    },
    panels: panels.map(({ title, unit, queries }, index) => ({
      id: index + 1,
      type: 'timeseries',
      title,
      datasource: source,
      gridPos: { x: (index % 2) * 12, y: Math.floor(index / 2) * 8, w: 12, h: 8 },
      fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
      targets: queries.map(({ expr, legend }, target) => ({
        refId: String.fromCharCode(65 + target),
        datasource: source,
        expr,
        legendFormat: legend,
      })),
    })),
  }
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `${name}-${kind}-dashboard`, labels: { ...labels, grafana_dashboard: '1' } },
    data: { [`${namespace}-${name}-${kind}.json`]: `${JSON.stringify(model, undefined, 1)}\n` },
  }
}

const source = { type: 'prometheus', uid: '$datasource' }
