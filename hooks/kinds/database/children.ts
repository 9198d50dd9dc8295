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
import { DatabaseMonitors } from '../databasemonitor/resource.ts'

export const children = [
  ConfigMap,
  CronJob,
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
