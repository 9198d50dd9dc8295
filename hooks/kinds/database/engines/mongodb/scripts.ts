// What the shells in a MongoDB pod run.
import type { Database } from '../../schema.ts'
import { monitor, operator, paths } from '../engine.ts'
import { configurationPath, layCertificates, port } from './configuration.ts'

const local = `mongodb://127.0.0.1:${port}/?directConnection=true&serverSelectionTimeoutMS=5000`
// Within the pod: the certificate is for other names than 127.0.0.1.
const localTls = `${local}&tls=true&tlsInsecure=true`

/** A command that has MongoDB's shell run a program at the pod's own server. */
export function shell(db: Database, script: string): string[] {
  return ['mongosh', '--quiet', '--norc', db.spec.tls?.required === true ? localTls : local, '--eval', script]
}

// While the image initialises a data folder its server knows no TLS, later it may demand it.
const chooseAddress = `
address='${local}'
if [ -n "\${REMOTE_HOST:-}" ]; then address="mongodb://$REMOTE_HOST:$DATABASE_PORT/?serverSelectionTimeoutMS=30000"; fi
mongosh --quiet --norc "$address" --eval 'quit(0)' >/dev/null 2>&1 || address="$address&tls=true&tlsInsecure=true"
`

/** Bash: makes database and accounts as the mounted credentials say; `closed`, applications may do nothing yet. */
export function accountsScript(db: Database, state: 'open' | 'closed'): string {
  return String.raw`
${chooseAddress}
mongosh --quiet --norc "$address" --eval '
const { existsSync, readFileSync } = require("fs")
const read = (path) => readFileSync(path, "utf8").replace(/\n$/, "")
const admin = db.getSiblingDB("admin")
const app = db.getSiblingDB("${db.spec.credentials.database}")
const password = read("${paths.superuser}/superuser-password")
const user = read("${paths.app}/username")
const pwd = read("${paths.app}/password")
const login = (secret) => { try { return admin.auth("root", secret).ok === 1 } catch { return false } }
// After a rotation the server still has the password before it.
if (!login(password)) {
  if (!existsSync("${paths.superuser}/superuser-password-previous") || !login(read("${paths.superuser}/superuser-password-previous"))) {
    print("the administrator cannot log in")
    quit(1)
  }
  admin.changeUserPassword("root", password)
  login(password)
}
const roles = ${state === 'open' ? '["dbOwner"]' : '[]'}
if (app.getUser(user) === null) app.createUser({ user, pwd, roles })
else app.updateUser(user, { pwd${state === 'open' ? '' : ', roles'} })
${state === 'open' ? 'app.grantRolesToUser(user, roles)' : ''}
${otherStatements}'
`
}

/** Bash: makes the running server take over its mounted configuration. */
export function reloadScript(db: Database): string {
  return String.raw`
${db.spec.tls === undefined ? '' : layCertificates}
${chooseAddress}
mongosh --quiet --norc "$address" --eval '
const { readFileSync } = require("fs")
const admin = db.getSiblingDB("admin")
admin.auth("root", readFileSync("${paths.superuser}/superuser-password", "utf8").replace(/\n$/, ""))
for (const command of JSON.parse(readFileSync("${configurationPath}/reload.json", "utf8"))) {
  const answer = admin.runCommand(command)
  if (answer.ok !== 1) { print(answer.errmsg); quit(1) }
}
${db.spec.tls === undefined ? '' : 'admin.runCommand({ rotateCertificates: 1 })\n'}'
`
}

// https://www.mongodb.com/docs/manual/reference/built-in-roles/#mongodb-authrole-clusterMonitor
// userAdmin of one database may give away the roles of that database alone; of admin it would be an administrator.
const otherStatements = `
const operator = { pwd: read("${paths.superuser}/${operator.key}"), roles: ["userAdmin"] }
if (app.getUser("${operator.username}") === null) app.createUser({ user: "${operator.username}", ...operator })
else app.updateUser("${operator.username}", operator)
const monitor = { pwd: read("${paths.superuser}/${monitor.key}"), roles: ["clusterMonitor", { role: "read", db: "local" }] }
if (admin.getUser("${monitor.username}") === null) admin.createUser({ user: "${monitor.username}", ...monitor })
else admin.updateUser("${monitor.username}", monitor)
`
