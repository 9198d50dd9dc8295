// A physical backup of MySQL: a server of the backup's own clones another's data into a folder, which is then opened once and
// compressed file by file. https://dev.mysql.com/doc/refman/8.4/en/clone-plugin-remote.html
import type { Database } from '../../schema.ts'
import { monitor, paths } from '../engine.ts'

/** The account that copies, and the key of the Secret that holds its password. It may do nothing else. */
export const copyAccount = { username: 'operator_hooks_backup', key: 'backup-password' } as const

/** Whether the data files are copied: the server then has what that takes. */
export function isCopied(db: Database): boolean {
  return db.spec.backup.method === 'physical'
}

/** Bash, beside accounts.sh: makes the account, or has it gone. */
export function copyAccountScript(db: Database): string {
  const account = `'${copyAccount.username}'@'%'`
  if (!isCopied(db)) return ''
  return `
password=$(literal ${paths.superuser}/${copyAccount.key})
client <<SQL
CREATE USER IF NOT EXISTS ${account} IDENTIFIED BY $password;
ALTER USER ${account} IDENTIFIED BY $password;
GRANT BACKUP_ADMIN ON *.* TO ${account};
GRANT SELECT ON operator_hooks.* TO '${monitor.username}'@'%';
SQL
`
}

// What is said once and for ever when data files are made, and cannot be another where they are copied or opened.
const lasting = ['innodb_page_size', 'innodb_data_file_path', 'lower_case_table_names']

// A server that only this pod reaches, and whose files are looked at or copied, no more.
function scratchServer(db: Database): string {
  const own = Object.entries(db.spec.parameters ?? {}).flatMap(([name, value]) => {
    const plain = name.toLowerCase().replaceAll('-', '_')
    return lasting.includes(plain)
      ? [`'--${plain.replaceAll('_', '-')}=${String(value).replaceAll("'", "'\\''")}'`]
      : []
  })
  return `
options=(--no-defaults --socket="$work/socket" --pid-file="$work/pid" --skip-networking --mysqlx=OFF --secure-file-priv=NULL
  --skip-log-bin --skip-replica-start --event-scheduler=OFF --innodb-buffer-pool-size=64M --log-error="$work/server.err" ${own.join(' ')})
client() { mysql --no-defaults --socket="$work/socket" --user=root --batch --skip-column-names "$@"; }
why() { grep -F '[ERROR]' "$work/server.err" | tail -n 1 >&2 || true; }
# start FOLDER [OPTION…]
start() {
  mysqld "\${options[@]}" --datadir="$@" &
  server=$!
  until client --execute='DO 1' 2>/dev/null; do
    kill -0 "$server" 2>/dev/null || { why; exit 1; }
    sleep 0.5
  done
}
end() { kill -9 "$server" 2>/dev/null || true; }
# As it is, whatever accounts there are: nobody else reaches it.
open=(--skip-grant-tables --gtid-mode=ON --enforce-gtid-consistency=ON --innodb-redo-log-capacity=8M)
server=''
trap 'status=$?; [ -z "$server" ] || end; [ $status -eq 0 ] || rm -rf "$work"' EXIT
`
}

export function copyScript(db: Database): string {
  return String.raw`${scratchServer(db)}
shopt -s globstar dotglob nullglob
mkdir "$work/own"
mysqld "${'$'}{options[@]}" --initialize-insecure --datadir="$work/own/data" || { why; exit 1; }
start "$work/own/data" --plugin-load-add=mysql_clone.so --innodb-redo-log-capacity=8M
password=$(cat "$BACKUP_PASSWORD_FILE")
quote="'" backslash='\'
password=${'$'}{password//"$backslash"/"$backslash$backslash"}
cloned=''
for donor in $DONORS; do
  client <<SQL && cloned=$donor && break
SET GLOBAL clone_valid_donor_list = '$donor:$DATABASE_PORT';
CLONE INSTANCE FROM '${copyAccount.username}'@'$donor':$DATABASE_PORT IDENTIFIED BY '${'$'}{password//"$quote"/$quote$quote}' DATA DIRECTORY = '$copy';
SQL
  rm -rf "$copy"
done
[ -n "$cloned" ] || exit 1
taken=$(date -u +%Y%m%dT%H%M%SZ)
end
wait "$server" 2>/dev/null || true
rm -rf "$work/own"
echo "copied from $cloned"

# Opened once: so it is known that it can be, and what is in it.
start "$copy" "${'$'}{open[@]}"
version=$(client --execute='SELECT @@version')
gtids=$(client --execute="SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')")
client --execute='SHUTDOWN'
wait "$server"
server=''
rm -f "$copy"/auto.cnf "$copy"/*.pem "$copy"/ibtmp1
{
  echo "version=${'$'}{version%%-*}"
  echo "taken=$taken"
  echo "gtids=$gtids"
} >"$work/manifest"
files=0 bytes=0
for path in "$copy"/**; do
  [ "$path" != "$copy/" ] || continue
  if [ -d "$path" ]; then
    echo "folder=${'$'}{path#"$copy"/}" >>"$work/manifest"
  else
    gzip --fast "$path"
    files=$((files + 1)) bytes=$((bytes + $(stat -c %s "$path.gz")))
  fi
done
echo "files=$files" >>"$work/manifest"
mv "$work/manifest" "$copy/manifest"
printf '%d' "$bytes" >"$work/bytes"
`
}

export function verifyCopyScript(db: Database): string {
  return String.raw`${scratchServer(db)}
shopt -s globstar dotglob nullglob
${unpackScript.trim()}
start "$copy" "${'$'}{open[@]}"
gtids=$(client --execute="SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')")
[ "$gtids" = "$(sed -n 's/^gtids=//p' "$copy/manifest")" ] || { echo 'its transactions are not those that were copied' >&2; exit 1; }
# Each table is opened, and InnoDB's pages are compared with their checksums while they are read.
while IFS= read -r table; do
  said=$(client --execute="CHECK TABLE $table")
  grep -q -w OK <<<"$said" || { echo "$said" >&2; exit 1; }
done < <(client --execute="SELECT CONCAT('${'`'}', REPLACE(TABLE_SCHEMA, '${'`'}', '${'``'}'), '${'`'}.${'`'}', REPLACE(TABLE_NAME, '${'`'}', '${'``'}'), '${'`'}') FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE = 'InnoDB'")
found=$(client --execute="SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE'")
end
`
}

/** Bash, with globstar, dotglob and nullglob: makes a data folder of the backup in "$copy". */
export const unpackScript = `
while IFS= read -r folder; do mkdir -p "$copy/$folder"; done < <(sed -n 's/^folder=//p' "$copy/manifest")
for path in "$copy"/**; do
  case $path in
    *.gz) gzip --decompress --force "$path" ;;
  esac
done
chmod 750 "$copy"
`
