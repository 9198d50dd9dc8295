#!/usr/bin/env bash
# The entry point of the MySQL image: does what https://hub.docker.com/_/mysql promises of its own. An empty data
# folder is initialised, the files in /docker-entrypoint-initdb.d run once, then the server takes this process' place.
set -Eeuo pipefail
shopt -s nullglob

# NAME or the content of the file that NAME_FILE names.
from_file() {
  local file="$1_FILE"
  if [ -n "${!file:-}" ]; then
    if [ -n "${!1:-}" ]; then
      echo "$1 and $file are both set" >&2
      exit 1
    fi
    printf -v "$1" '%s' "$(<"${!file}")"
    export "${1?}"
  fi
  unset "$file"
}

# What a setting is with these arguments and all option files.
setting() {
  local name=$1
  shift
  "$@" --verbose --help 2>/dev/null | awk -v name="$name" '$1 == name && /^[^ \t]/ { sub(/^[^ \t]+[ \t]+/, ""); print; exit }'
}

literal() {
  local text=${1//\\/\\\\}
  printf "'%s'" "${text//\'/\'\'}"
}

[ "${1:0:1}" != '-' ] || set -- mysqld "$@"
if [ "$1" != mysqld ]; then exec "$@"; fi

datadir=$(setting datadir "$@")
socket=$(setting socket "$@")
mkdir -p "$datadir"
if [ "$(id -u)" = 0 ]; then
  chown mysql "$datadir"
  exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
fi

from_file MYSQL_ROOT_PASSWORD
from_file MYSQL_ROOT_HOST
from_file MYSQL_DATABASE
from_file MYSQL_USER
from_file MYSQL_PASSWORD

if [ ! -d "$datadir/mysql" ]; then
  if [ -z "${MYSQL_ROOT_PASSWORD:-}${MYSQL_ALLOW_EMPTY_PASSWORD:-}" ]; then
    echo 'MYSQL_ROOT_PASSWORD or MYSQL_ALLOW_EMPTY_PASSWORD must be set' >&2
    exit 1
  fi
  "$@" --initialize-insecure --default-time-zone=SYSTEM
  # Nobody reaches it but over the socket: it is not the real server yet.
  "$@" --daemonize --skip-networking --default-time-zone=SYSTEM --socket="$socket" --log-error="$datadir/first-start.err" --pid-file="$datadir/first-start.pid" ||
    { cat "$datadir/first-start.err" >&2; exit 1; }
  root=(mysql --no-defaults --protocol=socket --user=root --socket="$socket" --comments)
  password=$(literal "${MYSQL_ROOT_PASSWORD:-}")
  {
    if [ "${MYSQL_ROOT_HOST:=%}" != localhost ]; then
      host=$(literal "$MYSQL_ROOT_HOST")
      echo "CREATE USER 'root'@$host IDENTIFIED BY $password; GRANT ALL ON *.* TO 'root'@$host WITH GRANT OPTION;"
    fi
    if [ -n "${MYSQL_DATABASE:-}" ]; then echo "CREATE DATABASE IF NOT EXISTS \`$MYSQL_DATABASE\`;"; fi
    if [ -n "${MYSQL_USER:-}" ]; then
      user=$(literal "$MYSQL_USER")
      echo "CREATE USER $user@'%' IDENTIFIED BY $(literal "${MYSQL_PASSWORD:-}");"
      if [ -n "${MYSQL_DATABASE:-}" ]; then echo "GRANT ALL ON \`${MYSQL_DATABASE//_/\\_}\`.* TO $user@'%';"; fi
    fi
    # Last, for this session has no password.
    echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $password; FLUSH PRIVILEGES;"
  } | "${root[@]}"
  export MYSQL_PWD="${MYSQL_ROOT_PASSWORD:-}"
  for file in /docker-entrypoint-initdb.d/*; do
    echo "running $file"
    case "$file" in
      # shellcheck disable=SC1090
      *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
      *.sql) "${root[@]}" ${MYSQL_DATABASE:+"$MYSQL_DATABASE"} <"$file" ;;
      *.sql.gz) gunzip --stdout "$file" | "${root[@]}" ${MYSQL_DATABASE:+"$MYSQL_DATABASE"} ;;
      *) echo "leaving $file alone" ;;
    esac
  done
  mysqladmin --no-defaults --user=root --socket="$socket" shutdown
  while [ -e "$datadir/first-start.pid" ]; do sleep 0.1; done
  rm -f "$datadir/first-start.err"
  unset MYSQL_PWD
  echo 'MySQL is initialised'
fi

exec "$@"
