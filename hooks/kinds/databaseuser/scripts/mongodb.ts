// A user of MongoDB: each login is a user of the Database's own database with roles of that database.
// https://www.mongodb.com/docs/manual/reference/method/js-user-management/
import { operator } from '../../database/engines/engine.ts'
import { paths, type Scripts, variable } from './script.ts'

// Whose a user is stands in its customData. What mongosh is asked to evaluate holds no value: all of them come by the
// environment or from files.
function program(body: string): string {
  return String.raw`
set -Eeuo pipefail
export HOME="${'$'}{HOME:-/tmp}"
mongosh --quiet --norc --nodb --eval '
const { readFileSync, writeFileSync } = require("fs")
const env = (name) => process.env[name] ?? ""
const secret = (path) => readFileSync(path, "utf8").replace(/\n$/, "")
const fail = (message) => { console.error(message); process.exit(1) }
const tls = env("${variable.tls}") === "true" ? "&tls=true&tlsInsecure=true" : ""
const uriOf = (user, password) => "mongodb://" + encodeURIComponent(user) + ":" + encodeURIComponent(password) + "@" + env("${variable.host}") + ":" + env("${variable.port}") + "/" + env("${variable.database}") + "?authSource=" + env("${variable.database}") + "&directConnection=false&serverSelectionTimeoutMS=15000" + tls
const name = env("${variable.database}")
const own = (() => { try { return connect(uriOf("${operator.username}", secret("${paths.operator}"))) } catch (error) { return fail(error.message) } })()
const mark = env("${variable.mark}")
const logins = env("${variable.logins}").split(" ").filter((login) => login !== "")
let changes = 0
const execute = (text, command) => { console.log(text); const answer = own.runCommand(command); if (answer.ok !== 1) fail(answer.errmsg); changes++ }
const drop = (user) => execute("drop user " + user, { dropUser: user })
const mine = own.getUsers({ filter: { "customData.operatorHooks": mark } }).users.map(({ user }) => user)
${body.trim()}
writeFileSync(env("${variable.result}"), JSON.stringify({ changes }))
'
`
}

const apply = `
const roles = env("${variable.grants}").split("\\n").flatMap((line) => {
  const [db, list = ""] = line.split("\\t")
  return list.split(",").map((role) => ({ role: role === "OWNER" ? "dbOwner" : role, db }))
})
const text = (some) => some.map(({ role, db }) => db + "." + role).sort().join(" ")
for (const login of logins) {
  const pwd = secret("${paths.logins}/" + login)
  if (pwd === "") fail("the password of " + login + " is empty")
  const user = own.getUser(login)
  if (user === null) {
    execute("create user " + login, { createUser: login, pwd, roles, customData: { operatorHooks: mark } })
    continue
  }
  if (user.customData?.operatorHooks !== mark) fail("refused: there is a user \\"" + login + "\\" already, and this resource did not make it")
  if (text(user.roles) !== text(roles)) execute("update roles of " + login, { updateUser: login, roles })
  try { connect(uriOf(login, pwd)) } catch { execute("update password of " + login, { updateUser: login, pwd }) }
}
for (const login of mine) if (!logins.includes(login)) drop(login)
`

export const mongodb: Scripts = {
  apply: program(apply),
  drop: program('for (const login of mine) drop(login)'),
}
