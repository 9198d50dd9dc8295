// A Grafana dashboard in a ConfigMap, as Grafana's sidecar finds it by a label:
// https://github.com/grafana/helm-charts/tree/main/charts/grafana#sidecar-for-dashboards
import { shortHash } from '../../sdk/names.ts'
import type { ConfigMap } from '../../sdk/resources.ts'

/** One graph. */
export interface Panel {
  /** Heading of the row that it is in, together with those right before and after it that have the same. */
  row?: string
  title: string
  /** One of Grafana's units: short, percentunit, bytes, s, ops. */
  unit: string
  /** PromQL and, for the legend, what tells its series apart, such as {{pod}}. */
  queries: readonly { expr: string; legend: string }[]
}

/** The ConfigMap `<name>-<kind>-dashboard` of a resource, with one graph beside the other in two columns, below a heading for each row. */
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
    panels: laidOut(panels),
  }
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `${name}-${kind}-dashboard`, labels: { ...labels, grafana_dashboard: '1' } },
    data: { [`${namespace}-${name}-${kind}.json`]: `${JSON.stringify(model, undefined, 1)}\n` },
  }
}

const source = { type: 'prometheus', uid: '$datasource' }

function laidOut(panels: readonly Panel[]): object[] {
  const placed: object[] = []
  let y = 0
  let column = 0
  let heading: string | undefined
  for (const { row, title, unit, queries } of panels) {
    if (row !== heading) {
      y += column * height
      column = 0
      heading = row
      const gridPos = { x: 0, y: y++, w: 24, h: 1 }
      placed.push({ id: placed.length + 1, type: 'row', title: row, collapsed: false, gridPos, panels: [] })
    }
    placed.push({
      id: placed.length + 1,
      type: 'timeseries',
      title,
      datasource: source,
      gridPos: { x: column * 12, y, w: 12, h: height },
      fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
      targets: queries.map(({ expr, legend }, target) => ({
        refId: String.fromCharCode(65 + target),
        datasource: source,
        expr,
        legendFormat: legend,
      })),
    })
    y += column * height
    column = 1 - column
  }
  return placed
}

/** In the 24 columns of Grafana's grid. */
const height = 8
