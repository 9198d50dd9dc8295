// The kinds of object that a Database consists of.
import {
  ConfigMap,
  CronJob,
  Job,
  NetworkPolicy,
  PodDisruptionBudget,
  Role,
  RoleBinding,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
} from '../../sdk/resources.ts'
import { DatabaseBackups } from '../databasebackup/resource.ts'
import { DatabaseMonitors } from '../databasemonitor/resource.ts'

export const children = [
  ConfigMap,
  // A Database of an earlier build has one: not wanted any more, it goes.
  CronJob,
  DatabaseBackups,
  DatabaseMonitors,
  Job,
  NetworkPolicy,
  PodDisruptionBudget,
  Role,
  RoleBinding,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
] as const

export type DatabaseChildren = (typeof children)[number]
