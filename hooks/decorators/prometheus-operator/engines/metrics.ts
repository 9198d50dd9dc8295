// What an engine's exporter serves, as far as alerts and dashboards ask for it.
import type { Panel } from '../../grafana-dashboards/dashboard.ts'
import type { Alert } from '../rules.ts'

export interface EngineMetrics {
  /** 1 where the exporter could connect. */
  up: string
  /** Connections by pod, and how many there may be; both with the labels of the scrape alone. */
  connections(exporters: string): string
  mostConnections(exporters: string): string
  /** Seconds by pod that a replica is behind. */
  lag(exporters: string): string
  /** Replicas that do not follow the primary: how many, or nothing where all do. */
  notReplicating(exporters: string, replicas: number): string
  /** What only this engine can have. */
  alerts(exporters: string): Alert[]
  panels(exporters: string): Panel[]
  /** Of a database with several members. */
  replicationPanels(exporters: string): Panel[]
}
