#!/usr/bin/env bash
# The entry point of the PostgreSQL image: does what https://hub.docker.com/_/postgres promises of its own. An empty
# data folder is initialised, the files in /docker-entrypoint-initdb.d run once, then the server takes this process'
# place.
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

[ "${1:0:1}" != '-' ] || set -- postgres "$@"
if [ "$1" != postgres ]; then exec "$@"; fi

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown postgres "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

mkdir -p "$PGDATA"
chmod 00700 "$PGDATA" || true

from_file POSTGRES_PASSWORD
from_file POSTGRES_USER
from_file POSTGRES_DB
from_file POSTGRES_INITDB_ARGS
: "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
    echo 'POSTGRES_PASSWORD must be set: the superuser would have no password' >&2
    exit 1
  fi
  eval "initdb --username=\"\$POSTGRES_USER\" --pwfile=<(printf '%s\n' \"\${POSTGRES_PASSWORD:-}\") ${POSTGRES_INITDB_ARGS:-}"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption)}" >>"$PGDATA/pg_hba.conf"

  export PGPASSWORD="${POSTGRES_PASSWORD:-}"
  # Nobody reaches it but over the socket: it is not the real server yet.
  pg_ctl --pgdata="$PGDATA" --wait --options="$(printf '%q ' "${@:2}" -c listen_addresses= -p "${PGPORT:-5432}")" start
  client=(psql --set=ON_ERROR_STOP=1 --no-password --no-psqlrc --username="$POSTGRES_USER")
  if [ "$POSTGRES_DB" != postgres ]; then
    "${client[@]}" --dbname=postgres --set=db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  fi
  client+=(--dbname="$POSTGRES_DB")
  for file in /docker-entrypoint-initdb.d/*; do
    echo "running $file"
    case "$file" in
      # shellcheck disable=SC1090
      *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
      *.sql) "${client[@]}" --file="$file" ;;
      *.sql.gz) gunzip --stdout "$file" | "${client[@]}" ;;
      *) echo "leaving $file alone" ;;
    esac
  done
  pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
  unset PGPASSWORD
  echo 'PostgreSQL is initialised'
fi

exec "$@"
