// MySQL as a group of three in real pods: what it promises, and what becomes of it when pods go, all of them go, the
// number of members changes and passwords do.
import t, { type Test } from 'tap'
import { at, database, databaseAt, present, untilCondition, untilPhase } from '../scenarios/database.ts'
import { clientPod, untilServed } from './client.ts'
import { obstacleToMembers } from './requirements.ts'
import { suiteOnNodes } from './suite.ts'

const reason = obstacleToMembers('NODE_SUITE_IMAGE')
if (reason !== undefined) {
  t.test('MySQL groups in real pods', { skip: reason }, async () => {})
} else {
  const cluster = await suiteOnNodes(t)
  const { mysql: version } = cluster.versions

  /** A Database and a pod with a client, in a namespace of their own that enforces "restricted". */
  const inNamespace = async (name: string, spec: Record<string, unknown>) => {
    const namespace = await cluster.namespace(name)
    await cluster.patch(
      { apiVersion: 'v1', kind: 'Namespace', name: namespace },
      { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
    )
    const reference = databaseAt(namespace, 'db')
    const kubectl = (...args: string[]) => cluster.kubectl(`--namespace=${namespace}`, ...args)
    const resources = { requests: { cpu: '50m', memory: '768Mi' } }
    await cluster.create(clientPod(namespace, `mysql:${version}`))
    await cluster.apply(database(namespace, 'db', { engine: 'mysql', version, resources, ...spec }))

    const secret = async (key: string) =>
      Buffer.from(await kubectl('get', 'secret', 'db-secret', `-ojsonpath={.data.${key}}`), 'base64').toString()
    /** What the application gets when it asks one of the Services. */
    const ask = async (service: string, statement: string, password?: string) => {
      const given = `MYSQL_PWD=${password ?? (await secret('password'))}`
      const mysql = [
        'mysql',
        `--host=${service}`,
        '--user=app',
        '--connect-timeout=5',
        '--batch',
        '--skip-column-names',
      ]
      return (await kubectl('exec', 'client', '--', 'env', given, ...mysql, `--execute=${statement}`, 'app')).trim()
    }
    const write = (id: number) => ask('db', `INSERT INTO notes VALUES (${id})`)
    /** What a member's own server says. */
    const askMember = async (pod: string, statement: string) =>
      (await kubectl('exec', pod, '-cdatabase', '--', 'bash', '/scripts/client.sh', `--execute=${statement}`)).trim()
    const topology = async () => {
      const { primary, members = [] } = (at(await present(cluster, reference), 'status', 'topology') ?? {}) as {
        primary?: string
        members?: { name: string; role: string; ready: boolean }[]
      }
      return { primary, members }
    }
    const untilMembers = (count: number) =>
      cluster.until(
        `there are ${count} ready members and one primary`,
        async () => {
          const { primary, members } = await topology()
          const ready = members.filter((member) => member.ready)
          return primary !== undefined && ready.length === count && members.length === count ? primary : undefined
        },
        300,
      )
    const pods = (count: number) => Array.from({ length: count }, (_, ordinal) => `db-${ordinal}`)
    /** Rows on each member, once it has as many as it should. */
    const untilRows = (members: readonly string[], rows: number) =>
      cluster.until(
        `${members.join(', ')} have ${rows} rows`,
        async () => {
          const counts = await Promise.all(
            members.map((pod) => askMember(pod, 'SELECT COUNT(*) FROM app.notes').catch(() => '')),
          )
          return counts.every((text) => text === String(rows))
        },
        60,
      )
    /** The members of its group and their states, as each of them sees it. */
    const viewsOf = (members: readonly string[]) =>
      Promise.all(
        members.map((pod) =>
          askMember(
            pod,
            'SELECT GROUP_CONCAT(MEMBER_HOST, MEMBER_STATE, MEMBER_ROLE ORDER BY 1) FROM performance_schema.replication_group_members',
          ),
        ),
      )
    /** One group and one writable member, whoever is asked. */
    const oneGroup = async (t: Test, members: readonly string[]) => {
      const views = await viewsOf(members)
      t.equal(new Set(views).size, 1, 'all see the same group')
      t.equal(views[0]?.match(/ONLINE/g)?.length, members.length, 'in which all are')
      const closed = await Promise.all(members.map((pod) => askMember(pod, 'SELECT @@GLOBAL.super_read_only')))
      t.equal(closed.filter((text) => text === '0').length, 1, 'one takes writes')
    }
    await untilPhase(cluster, reference, 'Running', 400)
    await untilCondition(cluster, reference, 'Ready', 'True')
    await kubectl('wait', '--for=condition=Ready', 'pod/client', '--timeout=120s')
    await untilServed(cluster, () => ask('db', 'SELECT 1'))
    await ask('db', 'CREATE TABLE notes (id int PRIMARY KEY)')
    return {
      namespace,
      reference,
      kubectl,
      secret,
      ask,
      write,
      askMember,
      topology,
      untilMembers,
      untilRows,
      pods,
      viewsOf,
      oneGroup,
    }
  }

  t.test('a group of three', async (t) => {
    const db = await inNamespace('mysql-group', { replicas: 3 })
    const all = db.pods(3)
    let rows = 0
    // What was not acknowledged may have been written all the same: its number is not given again.
    let id = 0
    const write = async () => {
      id += 1
      await db.write(id)
      rows += 1
    }

    await t.test('what is written through the Service is read on every member, and written on one alone', async (t) => {
      const primary = await db.untilMembers(3)
      await write()
      await db.untilRows(all, rows)
      await db.oneGroup(t, all)
      t.equal(`${await db.ask('db', 'SELECT @@hostname')}`, primary)
      t.not(await db.ask('db-readonly', 'SELECT @@hostname'), primary)
      await t.rejects(db.ask('db-readonly', 'INSERT INTO notes VALUES (99)'), { message: /read-only/ })
      await untilCondition(cluster, db.reference, 'Replicated', 'True')
      await untilCondition(cluster, db.reference, 'PrimaryAvailable', 'True')
    })

    await t.test('another member takes over when the primary is deleted, and it comes back', async (t) => {
      const before = await db.untilMembers(3)
      await db.kubectl('delete', 'pod', before, '--wait=false')
      const after = await cluster.until(
        'there is another primary',
        async () => {
          const { primary } = await db.topology()
          return primary !== undefined && primary !== before ? primary : undefined
        },
        60,
      )
      await cluster.until(
        'it takes writes',
        () =>
          write().then(
            () => true,
            () => false,
          ),
        30,
      )
      rows = Number(await db.askMember(after, 'SELECT COUNT(*) FROM app.notes'))
      await db.untilMembers(3)
      await db.untilRows(all, rows)
      await db.oneGroup(t, all)
    })

    await t.test('a member that lost its claim takes a copy', async (t) => {
      const primary = await db.untilMembers(3)
      const lost = all.find((pod) => pod !== primary) ?? ''
      await db.kubectl('delete', 'pvc', `data-${lost}`, '--wait=false')
      await db.kubectl('delete', 'pod', lost)
      await db.untilMembers(3)
      await db.untilRows(all, rows)
      await db.oneGroup(t, all)
    })

    await t.test('a member comes back while accounts are made, and nobody waits long for it', async (t) => {
      const primary = await db.untilMembers(3)
      const lost = all.find((pod) => pod !== primary) ?? ''
      const uid = () => db.kubectl('get', 'pod', lost, '--ignore-not-found', '-ojsonpath={.metadata.uid}')
      const before = await uid()
      const onPrimary = (script: string) => db.kubectl('exec', primary, '-cdatabase', '--', 'bash', '-c', script)
      // As fast as it goes: each of these keeps everybody from logging in until the group has agreed.
      const making = onPrimary(
        'while [ ! -e /tmp/enough ]; do bash /scripts/client.sh --execute="CREATE USER brief; DROP USER brief"; done',
      )
      await db.kubectl('delete', 'pod', lost, '--force', '--grace-period=0')
      let longest = 0
      let last = Date.now()
      await cluster.until(
        'it is back',
        async () => {
          await write()
          longest = Math.max(longest, Date.now() - last)
          last = Date.now()
          const ready = (await db.topology()).members.filter((member) => member.ready).length
          return ready === 3 && ![before, ''].includes(await uid())
        },
        120,
      )
      await onPrimary('touch /tmp/enough')
      await making
      await onPrimary('rm /tmp/enough')
      // A login waits at most three seconds while one joins, instead of thirty.
      t.ok(longest < 15_000, `the longest time without a write: ${longest} ms`)
      t.equal(await db.untilMembers(3), primary)
      rows = Number(await db.askMember(primary, 'SELECT COUNT(*) FROM app.notes'))
      await db.untilRows(all, rows)
      await db.oneGroup(t, all)
    })

    await t.test('when all are gone at once, the one that has everything begins, and nothing is lost', async (t) => {
      await write()
      await db.kubectl('delete', 'pod', ...all, '--force', '--grace-period=0')
      await cluster.until('they are gone', async () => {
        const { primary } = await db.topology()
        return primary === undefined
      })
      await db.untilMembers(3)
      await db.untilRows(all, rows)
      await db.oneGroup(t, all)
      await write()
    })

    await t.test('a parameter is in force on every member without a restart, another after one of each', async (t) => {
      const started = () =>
        db.kubectl('get', 'pods', '-lapp.kubernetes.io/instance=db', '-ojsonpath={.items[*].metadata.uid}')
      const before = await started()
      await cluster.patch(db.reference, { spec: { parameters: { wait_timeout: 1234 } } })
      await cluster.until(
        'all have it',
        async () => {
          const values = await Promise.all(all.map((pod) => db.askMember(pod, 'SELECT @@GLOBAL.wait_timeout')))
          return values.every((value) => value === '1234')
        },
        180,
      )
      t.equal(await started(), before, 'the pods are the same')
      await cluster.patch(db.reference, { spec: { parameters: { wait_timeout: 1234, back_log: 99 } } })
      await cluster.until(
        'all have the other',
        async () => {
          const values = await Promise.all(
            all.map((pod) => db.askMember(pod, 'SELECT @@GLOBAL.back_log').catch(() => undefined)),
          )
          return values.every((value) => value === '99')
        },
        300,
      )
      await db.untilMembers(3)
      await db.oneGroup(t, all)
      await write()
      await db.untilRows(all, rows)
    })

    await t.test('rotated passwords are those of all members, and a member that begins anew gets in', async (t) => {
      const before = await db.secret('password')
      await cluster.patch(db.reference, { spec: { credentials: { rotation: 1 } } })
      await cluster.until('the Secret changed', async () => (await db.secret('password')) !== before)
      await cluster.until(
        'the new password is good',
        () =>
          db.ask('db', 'SELECT 1').then(
            () => true,
            () => false,
          ),
        180,
      )
      await t.rejects(db.ask('db', 'SELECT 1', before), { message: /Access denied/ })
      t.equal(await db.ask('db-readonly', 'SELECT 1'), '1', 'a replica has it too')
      t.same(
        (await db.topology()).members.filter(({ ready }) => !ready),
        [],
        'nobody fell out of the group',
      )
      const primary = await db.untilMembers(3)
      await db.kubectl('delete', 'pod', all.find((pod) => pod !== primary) ?? '')
      await db.untilMembers(3)
      await db.oneGroup(t, all)
    })

    await t.test('suspended it rests, and it goes on from there', async (t) => {
      await write()
      await cluster.patch(db.reference, { spec: { suspend: true } })
      await cluster.until(
        'no pod is left',
        async () => (await db.kubectl('get', 'pods', '-lapp.kubernetes.io/instance=db', '-oname')) === '',
        180,
      )
      await cluster.patch(db.reference, { spec: { suspend: false } })
      await db.untilMembers(3)
      await db.untilRows(all, rows)
      await db.oneGroup(t, all)
    })
  })

  t.test('a single database becomes a group of three, and one of two, with its rows', async (t) => {
    const db = await inNamespace('mysql-scale', { replicas: 1 })
    await db.write(1)
    await cluster.patch(db.reference, { spec: { replicas: 3 } })
    t.equal(await db.untilMembers(3), 'db-0')
    await db.untilRows(db.pods(3), 1)
    await db.write(2)
    await db.untilRows(db.pods(3), 2)
    await db.oneGroup(t, db.pods(3))

    await cluster.patch(db.reference, { spec: { replicas: 2 } })
    await db.untilMembers(2)
    await db.write(3)
    await db.untilRows(db.pods(2), 3)
    // Who left is a member until the others have agreed on it, and its pod is gone before.
    await cluster.until('the others see that it left', async () =>
      (await db.viewsOf(db.pods(2))).every((view) => !view.includes('db-2.')),
    )
    await db.oneGroup(t, db.pods(2))
    const entered = await db.askMember('db-0', 'SELECT GROUP_CONCAT(ordinal ORDER BY 1) FROM operator_hooks.members')
    t.equal(entered, '0,1', 'nobody waits for the one that left')
  })
}
