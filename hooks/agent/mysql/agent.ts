// The agent of MySQL: keeps its member in the group of Group Replication, and says what the member is.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Logger } from 'pino'
import type { Role } from '../../sdk/roles.ts'
import type { MakeAgent, Step } from '../agent.ts'
import { required } from '../agent.ts'
import {
  bootstrap,
  clone,
  close,
  handOver,
  join,
  keepRecoveryAccount,
  type Own,
  recoveryUser,
  stop,
  useRecoveryPassword,
} from './act.ts'
import { type Decision, decide, type Observation } from './decide.ts'
import { type Group, hostOf, ordinalOf, readGroup } from './group.ts'
import { leavingBy } from './leaving.ts'
import { observe, type View, viewOf } from './observe.ts'
import { enter, keepRegistry } from './registry.ts'
import { type Server, serverAt } from './server.ts'

const port = 3306

/** Milliseconds between two attempts to come into the group. */
const pauseMilliseconds = 500

/** Milliseconds without an answer after which a primary may have been frozen, and another elected: it takes five seconds. */
const silenceMilliseconds = 3000

export const makeAgent: MakeAgent = ({ env, logger }) => {
  const socketPath = required(env, 'MYSQL_SOCKET')
  const groupFile = required(env, 'AGENT_FILE')
  const roleFile = required(env, 'ROLE_FILE')
  const leaving = leavingBy(required(env, 'LEAVE_FILE'))
  const rootFiles = required(env, 'SUPERUSER_PASSWORD_FILES').split(':')
  const root = {
    user: 'root',
    passwords: () => rootFiles.filter((file) => existsSync(file)).map((file) => readFileSync(file, 'utf8')),
  }
  const recoveryFile = required(env, 'REPLICATION_PASSWORD_FILE')
  // A server logs in to another with 32 characters at most; of these that is 192 bits.
  const recoveryPassword = () => readFileSync(recoveryFile, 'utf8').slice(0, 32)
  const self = ordinalOf(required(env, 'POD_NAME'))
  // What looks twice a second does not wait for what acts.
  const eyes = serverAt({ socketPath }, root)
  const hands: Own = {
    root: serverAt({ socketPath }, root),
    recovery: serverAt({ socketPath }, { user: recoveryUser, passwords: () => [recoveryPassword()] }),
    recoveryPassword,
  }
  const peers = peersOf(root)
  const upkeep = primaryUpkeep({ hands, self })
  const passwordInUse = watched(recoveryPassword)
  const deed = oneAtATime(logger)
  let written: Role | undefined
  let reason = 'it was not asked yet'
  let proven = 0

  const say = (role: Role | undefined) => {
    if (role !== written) writeFileSync(roleFile, role ?? 'none')
    written = role
  }

  return {
    async step(): Promise<Step> {
      const group = readGroup(groupFile)
      const view = await viewOf(eyes).catch((error: unknown) => {
        // Who does not answer cannot hand over.
        if (leaving.asked()) leaving.allow()
        throw error
      })
      const step = await memberOf(group, view)
      return leaving.asked() ? { ...step, leave: () => leave(step) } : step
    },
    woken: leaving.begins,
    async close() {
      await Promise.all([eyes.close(), hands.root.close(), hands.recovery.close(), peers.close()])
    },
  }

  async function memberOf(group: Group, view: View): Promise<Step> {
    // While the image fills an empty data folder, its server is not the one to come.
    if (view.closed) return { role: undefined, state: 'its data folder is being made' }
    if (view.state === 'ONLINE' && view.quorum) return inGroup(group, view)
    upkeep.end()
    // What the primary acknowledged from now on would be lost: nobody is left connected to what is none any more.
    if (written === 'primary') await endSessions(eyes)
    say(undefined)
    if (!deed.running()) deed.start(() => attempt(group))
    const state = view.state === 'ONLINE' ? 'ONLINE without a majority' : view.state
    return { role: undefined, state: view.state === 'OFFLINE' ? `OFFLINE: ${reason}` : state }
  }

  // A last member has nobody to hand over to, and only stops taking writes.
  async function leave({ role }: Step): Promise<void> {
    try {
      if (role === 'primary' && (await viewOf(eyes)).primary) await close(hands)
    } finally {
      leaving.allow()
    }
  }

  async function inGroup(group: Group, view: View): Promise<Step> {
    reason = 'it left the group'
    const state = `ONLINE as ${view.primary ? 'PRIMARY' : 'SECONDARY'} of ${view.hosts.length}`
    if (passwordInUse.changed()) {
      await useRecoveryPassword(hands)
      passwordInUse.taken()
    }
    if (!view.primary) {
      upkeep.end()
      if (written === 'primary') await endSessions(eyes)
      say('replica')
      return { role: 'replica', state }
    }
    await upkeep.run(view.hosts.map(ordinalOf))
    // Who wakes up believes for some seconds more to be the primary, and would take the label from the one that is. A
    // transaction is through only where the others agree.
    if (written !== 'primary' || performance.now() - proven > silenceMilliseconds) await enter(hands.root, self)
    proven = performance.now()
    say('primary')
    if (!(await hasAccounts(eyes))) return { role: undefined, state: `${state}, its accounts being made` }
    const others = Array.from({ length: group.replicas }, (_, ordinal) => ordinal).filter((each) => each !== self)
    return {
      role: 'primary',
      state,
      others: others.map((ordinal) => `${group.name}-${ordinal}`),
      handOver: (pod) => handOver(hands, hostOf(group, ordinalOf(pod))),
    }
  }

  async function attempt(group: Group): Promise<void> {
    const own = await observe(hands.root, group.group)
    const asked = new Set([...Array.from({ length: group.replicas }, (_, ordinal) => ordinal), ...own.registry])
    asked.delete(self)
    const answers = await peers.ask(group, [...asked])
    const { initialized, forced } = group
    const decision = decide({ self, own, peers: answers, initialized, forced })
    reason = reasonOf(decision)
    if (decision.action === 'bootstrap') await bootstrap(hands, own.joined ? undefined : group.group)
    if (decision.action === 'stop') await stop(hands)
    if (decision.action === 'clone') {
      const donors = decision.donors.map((ordinal) => ({ host: hostOf(group, ordinal), port }))
      await clone(hands, { self, primary: peers.server(group, decision.primary), donors })
    }
    if (decision.action === 'join') {
      const { primary, seeds } = decision
      const hosts = seeds.map((ordinal) => `${hostOf(group, ordinal)}:${port}`)
      await join(hands, { self, primary: peers.server(group, primary), seeds: hosts })
    }
  }
}

function reasonOf(decision: Decision): string {
  switch (decision.action) {
    case 'wait':
      return decision.reason
    case 'join':
      return `joins members ${decision.seeds.join(', ')}`
    case 'clone':
      return `takes a clone of the data of one of members ${decision.donors.join(', ')}`
    case 'bootstrap':
      return 'begins the group'
    case 'stop':
      return 'leaves what failed'
    default:
      return 'takes its course'
  }
}

/** The other members' servers, as far as they were asked. */
function peersOf(login: Parameters<typeof serverAt>[1]) {
  const servers = new Map<number, Server>()
  const server = (group: Group, ordinal: number) => {
    const known = servers.get(ordinal)
    if (known !== undefined) return known
    // Their certificates may be for other names, or for none that somebody vouches for.
    const place = { host: hostOf(group, ordinal), port, ssl: { rejectUnauthorized: false } }
    const made = serverAt(place, login)
    servers.set(ordinal, made)
    return made
  }
  return {
    server,
    /** What those say of themselves that answer. */
    async ask(group: Group, ordinals: readonly number[]): Promise<Map<number, Observation>> {
      const answers = await Promise.all(
        ordinals.map(async (ordinal): Promise<[number, Observation][]> => {
          try {
            return [[ordinal, await observe(server(group, ordinal), group.group)]]
          } catch {
            return []
          }
        }),
      )
      return new Map(answers.flat())
    },
    async close() {
      await Promise.all([...servers.values()].map((each) => each.close()))
    },
  }
}

/** What only the primary has to do: it keeps the table of members, and the account by which they reach one another. */
function primaryUpkeep({ hands, self }: { hands: Own; self: number }) {
  const password = watched(hands.recoveryPassword)
  const former = formerPasswords(hands.root)
  const seen = new Set<number>()
  let kept = ''
  let again = 0
  return {
    async run(present: readonly number[]) {
      for (const ordinal of present) seen.add(ordinal)
      if (password.changed()) {
        await keepRecoveryAccount(hands)
        password.taken()
      }
      // Now and then without a cause: an attempt to join may have come to nothing, and a dump that was restored may have
      // brought another table.
      const text = [self, ...present].join()
      if (text === kept && performance.now() < again) return
      const gone = new Set([...seen].filter((ordinal) => !present.includes(ordinal)))
      await keepRegistry(hands.root, present, gone)
      kept = text
      again = performance.now() + 10_000
      await former.run()
    },
    /** It is not the primary. */
    end() {
      kept = ''
      password.forget()
      seen.clear()
    },
  }
}

/** Milliseconds for which a password is good after a rotation: mounted files change a minute or two later. */
const formerMilliseconds = 300_000

/** Ends those passwords from before a rotation that members needed until all had the new one. */
function formerPasswords(server: Server) {
  const since = new Map<string, number>()
  return {
    async run() {
      const rows = await server.query(`
        SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) AS account FROM mysql.user
        WHERE User IN ('root', '${recoveryUser}') AND JSON_EXTRACT(User_attributes, '$.additional_password') IS NOT NULL`)
      const accounts = rows.map(({ account }) => String(account))
      for (const account of since.keys()) if (!accounts.includes(account)) since.delete(account)
      for (const account of accounts) {
        const first = since.get(account) ?? performance.now()
        since.set(account, first)
        if (performance.now() - first > formerMilliseconds)
          await server.query(`ALTER USER ${account} DISCARD OLD PASSWORD`)
      }
    },
  }
}

/** Whether something has changed since it was last taken over. */
function watched(value: () => string) {
  let known: string | undefined
  return {
    changed: () => value() !== known,
    taken() {
      known = value()
    },
    forget() {
      known = undefined
    },
  }
}

/** Runs something that may take long beside the steps, never twice at a time, and with a pause after each. */
function oneAtATime(logger: Logger) {
  let running = false
  let told = ''
  const tell = (failure: string) => {
    if (failure !== '' && failure !== told) logger.warn(`could not do it: ${failure}`)
    told = failure
  }
  return {
    running: () => running,
    start(task: () => Promise<void>) {
      running = true
      task()
        .then(() => tell(''))
        .catch((error: unknown) => tell(error instanceof Error ? error.message : 'unknown error'))
        .finally(() => setTimeout(() => (running = false), pauseMilliseconds).unref())
    },
  }
}

/** The accounts of applications are made by the sidecar beside the engine, which the last of them shows to be done. */
async function hasAccounts(server: Server): Promise<boolean> {
  const [row] = await server.query("SELECT COUNT(*) AS there FROM mysql.user WHERE User = 'operator_hooks'")
  return Number(row?.there) > 0
}

/** Ends the sessions of clients, who then find the primary that there is now. */
async function endSessions(server: Server): Promise<void> {
  const rows = await server.query(`
    SELECT PROCESSLIST_ID AS id FROM performance_schema.threads
    WHERE TYPE = 'FOREGROUND' AND PROCESSLIST_USER IS NOT NULL
      AND PROCESSLIST_USER NOT IN ('root', '${recoveryUser}', 'event_scheduler', 'monitor')`)
  for (const { id } of rows) await server.query(`KILL ${Number(id)}`).catch(() => undefined)
}
