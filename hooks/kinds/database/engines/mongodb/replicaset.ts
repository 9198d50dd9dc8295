// MongoDB's replicas as one replica set: https://www.mongodb.com/docs/manual/replication/
// The server is the official image's; what makes it a member is done by the agent beside it (hooks/agent/mongodb).

import type { Container, Probe } from 'kubernetes-types/core/v1.js'
import type { Settings } from '../../../../sdk/definition.ts'
import { suiteImage } from '../../../../sdk/images.ts'
import { restrictedContainer } from '../../../../sdk/podsecurity.ts'
import { quantityToNumber } from '../../../../sdk/quantity.ts'
import { dataVolume, host, names } from '../../names.ts'
import { isFilling } from '../../recovery/pending.ts'
import { helperResources, volumeSize } from '../../resources.ts'
import type { Database } from '../../schema.ts'
import { tokenMount, tokenVolume } from '../../token.ts'
import { mebibytes, paths } from '../engine.ts'
import { membersFile, type Replication } from '../replication.ts'
import { configurationOf, configurationPath, layCertificates, port, volumePath } from './configuration.ts'
import { accountsScript, reloadScript } from './scripts.ts'

/** Of a replica set, if all are to vote: https://www.mongodb.com/docs/manual/reference/limits/ */
const maxMembers = 7

/** Where the agent answers the kubelet. */
const probePort = 27080

/** Key of the Secret with the key by which members know one another, and where mongod reads it. */
const keyFile = { key: 'keyfile', path: '/tmp/keyfile' } as const

/** Written by the agent: what the member is. */
const roleFile = '/tmp/role'
const oplogSize = 'replication.oplogSizeMB'

export const replicaSet: Replication = {
  name: 'replica-set',
  secretKeys: [],
  // Members that have one key in common know one another, so that pods can begin anew one by one with another key:
  // https://www.mongodb.com/docs/manual/tutorial/rotate-key-replica-set/
  secretFiles: (password, previous) => ({
    [keyFile.key]: [password, ...(previous === undefined ? [] : [previous])]
      .map((of) => `- ${of(keyFile.key)}\n`)
      .join(''),
  }),
  configuration(db, memoryBytes) {
    const { files, restart } = configurationOf(db, memoryBytes, ofMembers(db), new Set([oplogSize]))
    return {
      files: { ...files, [membersFile]: membersText(db) },
      // A server reads the key when it begins. What the status says follows the Secret.
      restart: `${restart}\nkeyfile=${db.status?.credentials?.rotation ?? db.spec.credentials.rotation}`,
    }
  },
  scripts: (db) => ({
    // Only a primary can be written to, and what it has reaches the others.
    'accounts.sh': `
if [ "$(cat ${roleFile} 2>/dev/null)" != primary ]; then exit 0; fi
${accountsScript(db, isFilling(db) ? 'closed' : 'open')}`,
    // Who is no member has no users.
    'reload.sh': `
if ! grep --quiet --line-regexp 'primary\\|replica' ${roleFile} 2>/dev/null; then exit 0; fi
${reloadScript(db)}`,
    'member.sh': memberScript(db),
  }),
  watched: [roleFile],
  command: () => ({ command: ['bash', `${paths.scripts}/member.sh`] }),
  // No MONGO_INITDB_ROOT_…: each would begin with users of its own.
  env: () => [{ name: 'HOME', value: '/tmp' }],
  initContainers: (db, settings) => [agent(db, settings)],
  volumes: () => [tokenVolume],
  probes: () => ({
    startupProbe: ask('/alive', { periodSeconds: 2, failureThreshold: 1800 }),
    readinessProbe: ask('/ready', { periodSeconds: 2, failureThreshold: 2 }),
    livenessProbe: ask('/alive', { periodSeconds: 20, failureThreshold: 6 }),
  }),
  beforeScalingIn: 'leave',
  members: (db) => ({ hosts: memberHosts(db), set: setName(db) }),
  rules: (db) => [
    {
      apiGroups: [''],
      resources: ['pods'],
      // The members alone: their names are known.
      resourceNames: Array.from({ length: maxMembers }, (_, ordinal) => names(db).pod(ordinal)),
      verbs: ['get', 'patch'],
    },
  ],
  grants: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'patch'] }],
}

function setName(db: Database): string {
  return names(db).statefulSet
}

/** Host and port by which members and clients know a pod's server, `{}` being the pod's number. */
function memberAddress(db: Database): string {
  return `${setName(db)}-{}.${host(db, names(db).headless)}:${port}`
}

function memberHosts(db: Database): string[] {
  return Array.from({ length: db.spec.replicas }, (_, ordinal) => memberAddress(db).replace('{}', String(ordinal)))
}

function ofMembers(db: Database): Record<string, string | number | boolean> {
  return {
    'replication.replSetName': setName(db),
    [oplogSize]: oplogMegabytes(db),
    'security.keyFile': keyFile.path,
    ...(db.spec.tls === undefined
      ? {}
      : {
          // Members are known by the key. A certificate that servers have need not be one for clients, nor for pods' names.
          'setParameter.tlsWithholdClientCertificate': true,
          'net.tls.allowInvalidHostnames': true,
        }),
  }
}

// MongoDB's own is 5 % of the free disk and at least 990 MB, which is all there is on a small volume.
// https://www.mongodb.com/docs/manual/core/replica-set-oplog/#oplog-size
function oplogMegabytes(db: Database): number {
  const size = mebibytes(quantityToNumber(volumeSize(db)), 1)
  return Math.min(51200, Math.max(Math.floor(size / 20), Math.min(990, Math.floor(size / 10)), 16))
}

// A file, because what is mounted of a ConfigMap changes while pods run: in the environment, a number would roll them.
function membersText({ spec, status }: Database): string {
  // Endpoints are told as soon as a pod was ready, and then for ever.
  return `${JSON.stringify({ members: spec.replicas, initialized: status?.endpoints !== undefined })}\n`
}

// The image's entry point would fill an empty folder with a server of its own. What else it does is in here.
function memberScript(db: Database): string {
  return `
# mongod wants the key for itself; mounted, its group may read it too.
umask 077
cat ${paths.superuser}/${keyFile.key} >${keyFile.path}
${db.spec.tls === undefined ? '' : layCertificates}
numa=()
if numactl --interleave=all true >/dev/null 2>&1; then numa=(numactl --interleave=all); fi
exec \${numa[@]+"\${numa[@]}"} mongod --config ${configurationPath}/mongod.conf
`
}

function agent(db: Database, settings: Settings): Container {
  return {
    name: 'agent',
    image: suiteImage(settings),
    args: ['agent', 'mongodb'],
    restartPolicy: 'Always',
    env: [
      { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
      { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } } },
      { name: 'DATA_FOLDER', value: volumePath },
      { name: 'REPLICA_SET', value: setName(db) },
      { name: 'SERVER_ADDRESS', value: `127.0.0.1:${port}` },
      { name: 'MEMBER_ADDRESS', value: memberAddress(db) },
      { name: 'MEMBERS_FILE', value: `${configurationPath}/${membersFile}` },
      { name: 'SUPERUSER_FOLDER', value: paths.superuser },
      { name: 'ROLE_FILE', value: roleFile },
      { name: 'PROBE_PORT', value: String(probePort) },
      ...(db.spec.tls?.required === true ? [{ name: 'TLS', value: 'required' }] : []),
    ],
    livenessProbe: ask('/agent', { periodSeconds: 10, failureThreshold: 3 }),
    resources: helperResources,
    securityContext: restrictedContainer,
    volumeMounts: [
      { name: 'configuration', mountPath: configurationPath, readOnly: true },
      { name: 'superuser-credentials', mountPath: paths.superuser, readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
      // To see how much room it has.
      { name: dataVolume, mountPath: volumePath, readOnly: true },
      tokenMount,
    ],
  }
}

function ask(path: string, times: { periodSeconds: number; failureThreshold: number }): Probe {
  return { httpGet: { path, port: probePort, scheme: 'HTTP' }, timeoutSeconds: 3, ...times }
}
