// A user of MySQL: each login is an account for any host that has the privileges itself.
// https://dev.mysql.com/doc/refman/8.4/en/account-management-statements.html
import { operator, recoveredMark } from '../../database/engines/engine.ts'
import { paths, type Scripts, variable } from './script.ts'

// Statements come by standard input and passwords by a file that only this user reads. Whose an account is stands in
// its ATTRIBUTE: https://dev.mysql.com/doc/refman/8.4/en/create-user.html#create-user-comments-attributes
const prologue = String.raw`
set -Eeuo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
options() { (umask 077; printf '[client]\nuser=%s\npassword="%s"\nhost=%s\nport=%s\n' "$2" "$(escaped <"$3")" "$${variable.host}" "$${variable.port}" >"$work/$1"); }
# In an option file a backslash begins an escape and a quote ends the value.
escaped() { sed 's/[\\"]/\\&/g'; }
options operator.cnf ${operator.username} ${paths.operator}
client() { mysql --defaults-extra-file="$work/operator.cnf" --connect-timeout=15 --batch --skip-column-names "$@"; }
literal() {
  local text quote="'" backslash='\'
  text=$(cat)
  text=${'$'}{text//"$backslash"/"$backslash$backslash"}
  printf "'%s'" "${'$'}{text//"$quote"/$quote$quote}"
}
account() { printf "%s@'%%'" "$(printf '%s' "$1" | literal)"; }
mark=$(printf '%s' "$${variable.mark}" | literal)
tab=$'\t' tick=$'\x60'
changes=0
# A statement without a secret: told and counted.
execute() {
  printf '%s\n' "$1"
  printf '%s;\n' "$1" | client
  changes=$((changes + 1))
}
owned="FROM information_schema.USER_ATTRIBUTES WHERE HOST = '%' AND ATTRIBUTE->>'$.\"operator-hooks\"' = $mark"
drop() {
  # Whoever is logged in keeps his session: it ends with his account.
  execute "DROP USER IF EXISTS $(account "$1")"
}
`

// What a recovery brought, with all its logins: whoever made it may be gone for ever.
const takeOver = String.raw`
base=$(printf '%s' "$${variable.username}" | literal)
owner="ATTRIBUTE->>'$.\"operator-hooks\"'"
while IFS= read -r login; do
  echo "TAKE OVER $(account "$login")"
  client <<<"ALTER USER $(account "$login") ATTRIBUTE '{\"operator-hooks\": \"$${variable.mark}\"}'"
  changes=$((changes + 1))
done < <(client <<<"SELECT USER FROM information_schema.USER_ATTRIBUTES WHERE HOST = '%' AND $owner IN (
  SELECT $owner FROM information_schema.USER_ATTRIBUTES WHERE HOST = '%' AND $owner LIKE '%${recoveredMark}'
  AND (USER = $base OR LEFT(USER, CHAR_LENGTH(USER) - 11) = $base AND RIGHT(USER, 11) REGEXP '^_[0-9]{10}$'))")
`

// An account is made without a password that would work, and gets one like all the others: so a Job that ends in
// between leaves nothing that anybody could log in to.
const accounts = String.raw`
for login in $${variable.logins}; do
  account=$(account "$login")
  name=$(printf '%s' "$login" | literal)
  # Of whatever host: root has several.
  found=$(client <<<"SELECT DISTINCT COALESCE(ATTRIBUTE->>'$.\"operator-hooks\"', '-') FROM information_schema.USER_ATTRIBUTES WHERE USER = $name")
  if [ -z "$found" ]; then
    echo "CREATE USER $account"
    # It answers with the password that it made up.
    client >/dev/null <<<"CREATE USER $account IDENTIFIED BY RANDOM PASSWORD ACCOUNT LOCK ATTRIBUTE '{\"operator-hooks\": \"$${variable.mark}\"}'"
    changes=$((changes + 1))
  elif [ "$found" != "$${variable.mark}" ]; then
    echo "refused: there is a user \"$login\" already, and this resource did not make it" >&2
    exit 1
  fi
  options login.cnf "$login" "${paths.logins}/$login"
  [ -s "${paths.logins}/$login" ] || { echo "the password of $login is empty" >&2; exit 1; }
  enters() { mysql --defaults-extra-file="$work/login.cnf" --connect-timeout=15 --execute='DO 1' 2>"$work/refused"; }
  crowded() { grep -Eq 'ERROR (1203|1226)' "$work/refused"; }
  # A server may still let in who has the password before (caching_sha2_password remembers), so that to get in proves
  # little: whether the password is the one that was set stands in the account's attributes, as a hash of its hash.
  stamp() { client <<<"SELECT SHA2(authentication_string, 256) FROM mysql.user WHERE User = $name AND Host = '%'"; }
  noted=$(client <<<"SELECT COALESCE(ATTRIBUTE->>'$.\"operator-hooks-password\"', '-') FROM information_schema.USER_ATTRIBUTES WHERE USER = $name AND HOST = '%'")
  if [ "$(stamp)" != "$noted" ] || { ! enters && ! crowded; }; then
    printf 'ALTER USER %s IDENTIFIED BY %s PASSWORD EXPIRE NEVER ACCOUNT UNLOCK;\n' "$account" "$(literal <"${paths.logins}/$login")" | client
    client <<<"ALTER USER $account ATTRIBUTE '{\"operator-hooks-password\": \"$(stamp)\"}'"
    changes=$((changes + 1))
    enters || crowded || { tail -n 1 "$work/refused" >&2; exit 1; }
  fi
  limit=$${variable.limit}
  [ "$limit" -ge 0 ] || limit=0
  if [ "$(client <<<"SELECT max_user_connections FROM mysql.user WHERE User = $name AND Host = '%'")" != "$limit" ]; then
    execute "ALTER USER $account WITH MAX_USER_CONNECTIONS $limit"
  fi
  privileges
done
`

// What SHOW GRANTS says and what is wanted, a privilege a line: what, a tab, on what. Whatever is not of a whole
// database goes all at once, because single privileges can be taken only by those who have them.
const privileges = String.raw`
wanted() {
  while IFS=$'\t' read -r database list; do
    [ "$list" != OWNER ] || list='ALL PRIVILEGES'
    # In the name of a database to grant on, _ and % stand for any character.
    pattern=$(printf '%s' "${'$'}{database//$tick/$tick$tick}" | sed 's/[_%]/\\&/g')
    while IFS= read -r privilege; do
      printf '%s\t%s%s%s.*\n' "$privilege" "$tick" "$pattern" "$tick"
    done < <(printf '%s\n' "$list" | tr ',' '\n')
  done <<<"$${variable.grants}" | LC_ALL=C sort -u
}
actual() {
  client --raw <<<"SHOW GRANTS FOR $account" |
    sed -n 's/^GRANT \(.*\) ON \(.*\) TO .*\( WITH GRANT OPTION\)$/\1, GRANT OPTION\t\2/p; t; s/^GRANT \(.*\) ON \(.*\) TO .*$/\1\t\2/p; t; s/^GRANT \(.*\) TO .*$/ROLE \1\t-/p' |
    while IFS=$'\t' read -r list object; do
      printf '%s\n' "$list" | sed 's/, /\n/g' | while IFS= read -r one; do printf '%s\t%s\n' "$one" "$object"; done
    done | grep -v $'^USAGE\t' | LC_ALL=C sort -u || true
}
privileges() {
  wanted >"$work/wanted"
  actual >"$work/actual"
  LC_ALL=C comm -13 "$work/wanted" "$work/actual" >"$work/surplus"
  if role=$(grep -m 1 '^ROLE ' "$work/surplus"); then
    echo "refused: $login was given the role $(printf '%s' "$role" | cut -f 1 | cut -c 6-) by an administrator, which only an administrator can undo" >&2
    exit 1
  fi
  # Of a whole database that something is wanted in: each by itself, so that nobody is without what he may for a moment.
  while IFS=$'\t' read -r privilege object; do
    if grep -qF -- "$tab$object" "$work/wanted" && grep -qxF -- "$privilege$tab$object" "$work/surplus" && [[ "$privilege" != *\(* ]]; then
      execute "REVOKE $privilege ON $object FROM $account"
    else
      execute "REVOKE ALL PRIVILEGES, GRANT OPTION FROM $account"
      break
    fi
  done <"$work/surplus"
  actual >"$work/actual"
  while IFS=$'\t' read -r privilege object; do
    execute "GRANT $privilege ON $object TO $account"
  done < <(LC_ALL=C comm -23 "$work/wanted" "$work/actual")
  actual | diff "$work/wanted" - >"$work/left" || { echo "refused: what $login may do cannot be put right: $(tail -n 1 "$work/left")" >&2; exit 1; }
}
`

const surplusLogins = `
while read -r login; do
  [[ " $${variable.logins} " == *" $login "* ]] || drop "$login"
done < <(client <<<"SELECT USER $owned")
`

const allLogins = `
while read -r login; do drop "$login"; done < <(client <<<"SELECT USER $owned")
`

const report = `
printf '{"changes":%d}' "$changes" >"$${variable.result}"
`

export const mysql: Scripts = {
  apply: `${prologue}${privileges}${takeOver}${accounts}${surplusLogins}${report}`,
  drop: `${prologue}${allLogins}${report}`,
}
