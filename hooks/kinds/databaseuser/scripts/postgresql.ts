// A user of PostgreSQL: a role that holds the privileges, and logins that are members of it, or the role itself.
// https://www.postgresql.org/docs/current/user-manag.html
import { operator, recoveredMark } from '../../database/engines/engine.ts'
import { paths, type Scripts, variable } from './script.ts'

// Backquotes are psql's: it sets the variable to what the command prints. format() with %I and %L quotes what becomes
// part of a statement. Notices tell in the log what is done, and a terse error does not repeat its statement.
const prologue = String.raw`
set -Eeuo pipefail
export PGHOST="$${variable.host}" PGPORT="$${variable.port}" PGUSER=${operator.username} PGCONNECT_TIMEOUT=15 PGOPTIONS='--client-min-messages=notice'
operator_password=$(cat ${paths.operator})
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
client() { PGPASSWORD=$operator_password psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=VERBOSITY=terse --tuples-only --no-align "$@"; }
variables() {
  cat <<'SQL'
\set username ${'`'}printf %s "${'$'}{${variable.username}-}"${'`'}
\set logins ${'`'}printf %s "${'$'}{${variable.logins}-}"${'`'}
\set mark ${'`'}printf %s "${'$'}{${variable.mark}-}"${'`'}
\set grants ${'`'}printf %s "${'$'}{${variable.grants}-}"${'`'}
\set connections ${'`'}printf %s "${'$'}{${variable.limit}-}"${'`'}
\o /dev/null
SELECT set_config('operator_hooks.username', :'username', false), set_config('operator_hooks.logins', :'logins', false),
  set_config('operator_hooks.mark', :'mark', false), set_config('operator_hooks.grants', :'grants', false),
  set_config('operator_hooks.connections', :'connections', false), set_config('operator_hooks.changes', '0', false);
\o
SQL
}
# Runs what comes in, in the database that PGDATABASE names, and adds up how many statements it took.
changes=0
run() {
  cat >"$work/statements.sql"
  variables | cat - "$work/statements.sql" >"$work/run.sql"
  printf '%s\n' "SELECT current_setting('operator_hooks.changes');" >>"$work/run.sql"
  # By itself: within an arithmetic expression a failure would go unnoticed.
  client --file="$work/run.sql" >"$work/answer"
  changes=$((changes + $(tail -n 1 "$work/answer")))
}
# Every database that the operator's user may work in: one that belongs to a role that it is a member of.
databases() {
  client --dbname=postgres --file=- <<'SQL'
SELECT datname FROM pg_database
 WHERE datallowconn AND NOT datistemplate AND pg_has_role(datdba, 'USAGE') ORDER BY datname;
SQL
}
`

// What a block of PL/pgSQL executes is counted and told.
const execute = `
    EXECUTE statement;
    done := done + 1;
    RAISE NOTICE '%', statement;`

const header = `
  base text := current_setting('operator_hooks.username');
  mark text := current_setting('operator_hooks.mark');
  statement text;
  done int := 0;`

// https://www.postgresql.org/docs/current/ddl-priv.html, …/role-attributes.html, …/role-membership.html
const roles = String.raw`
PGDATABASE=postgres run <<'SQL'
DO $do$
DECLARE${header}
  logins text[] := string_to_array(current_setting('operator_hooks.logins'), ' ');
  connections int := current_setting('operator_hooks.connections');
  names text[];
  one text;
  known record;
BEGIN
  -- Two Jobs at a time would stumble over each other.
  PERFORM pg_advisory_xact_lock(hashtext('operator-hooks'));
  -- What a recovery brought, with all its logins: whoever made it may be gone for ever.
  FOR one IN
    SELECT r.rolname FROM pg_roles r, pg_roles b
     WHERE b.rolname = base AND shobj_description(b.oid, 'pg_authid') LIKE '%${recoveredMark}'
       AND shobj_description(r.oid, 'pg_authid') = shobj_description(b.oid, 'pg_authid')
  LOOP
    EXECUTE format('COMMENT ON ROLE %I IS %L', one, mark);
  END LOOP;
  names := array(SELECT DISTINCT name FROM unnest(logins || base) AS name ORDER BY name);
  FOREACH one IN ARRAY names LOOP
    SELECT r.*, shobj_description(r.oid, 'pg_authid') AS made_by INTO known FROM pg_roles r WHERE rolname = one;
    IF known.oid IS NULL THEN
      statement := format('CREATE ROLE %I', one);${execute}
      EXECUTE format('COMMENT ON ROLE %I IS %L', one, mark);
      CONTINUE;
    END IF;
    IF EXISTS (SELECT FROM pg_database WHERE datdba = known.oid) THEN
      RAISE EXCEPTION 'refused: the role "%" owns a database', one;
    END IF;
    IF known.made_by IS DISTINCT FROM mark THEN
      RAISE EXCEPTION 'refused: there is a role "%" already, and this resource did not make it', one;
    END IF;
    IF known.rolsuper OR known.rolreplication OR known.rolbypassrls THEN
      RAISE EXCEPTION 'refused: the role "%" was made an administrator by hand, which only an administrator can undo', one;
    END IF;
  END LOOP;
  FOR statement IN
    WITH wanted AS (
      SELECT r.*, r.rolname = ANY (logins) AS login FROM pg_roles r WHERE r.rolname = ANY (names)
    ), attributes AS (
      SELECT rolname, concat_ws(' ',
        CASE WHEN rolcanlogin <> login THEN CASE WHEN login THEN 'LOGIN' ELSE 'NOLOGIN' END END,
        CASE WHEN NOT rolinherit THEN 'INHERIT' END,
        CASE WHEN rolcreatedb THEN 'NOCREATEDB' END,
        CASE WHEN rolcreaterole THEN 'NOCREATEROLE' END,
        CASE WHEN rolvaliduntil <> 'infinity' THEN 'VALID UNTIL ''infinity''' END,
        CASE WHEN rolconnlimit <> CASE WHEN login THEN connections ELSE -1 END
          THEN 'CONNECTION LIMIT ' || CASE WHEN login THEN connections ELSE -1 END END
      ) AS changed FROM wanted
    ), granted AS (
      SELECT base AS role, name AS member FROM unnest(logins) AS name WHERE name <> base
      UNION
      SELECT pg_get_userbyid(d.datdba), base
        FROM regexp_split_to_table(current_setting('operator_hooks.grants'), E'\n') AS line
        JOIN pg_database d ON d.datname = split_part(line, E'\t', 1)
       WHERE split_part(line, E'\t', 2) = 'OWNER'
    ), actual AS (
      SELECT DISTINCT pg_get_userbyid(roleid) AS role, pg_get_userbyid(member) AS member
        FROM pg_auth_members WHERE pg_get_userbyid(member) = ANY (names)
    )
    SELECT format('ALTER ROLE %I %s', rolname, changed) FROM attributes WHERE changed <> ''
    UNION ALL
    SELECT format('GRANT %I TO %I', role, member) FROM (SELECT * FROM granted EXCEPT SELECT * FROM actual) AS missing
    UNION ALL
    SELECT format('REVOKE %I FROM %I', role, member) FROM (SELECT * FROM actual EXCEPT SELECT * FROM granted) AS surplus
    UNION ALL
    -- What a login makes belongs to the role, so that the next login has it too.
    SELECT format('ALTER ROLE %I SET role = %L', name, base) FROM unnest(logins) AS name
     WHERE name <> base AND NOT EXISTS (
       SELECT FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
        WHERE r.rolname = name AND s.setdatabase = 0 AND 'role=' || base = ANY (s.setconfig))
  LOOP${execute}
  END LOOP;
  -- Someone else's grant is his to take back: such a REVOKE does nothing and says so in a warning only.
  SELECT format('%I is a member of %I', m.member::regrole, m.roleid::regrole) INTO statement FROM pg_auth_members m
   WHERE pg_get_userbyid(m.member) = ANY (names)
     AND NOT (pg_get_userbyid(m.roleid) = base AND pg_get_userbyid(m.member) = ANY (logins))
     AND NOT EXISTS (
       SELECT FROM regexp_split_to_table(current_setting('operator_hooks.grants'), E'\n') AS line
         JOIN pg_database d ON d.datname = split_part(line, E'\t', 1)
        WHERE split_part(line, E'\t', 2) = 'OWNER' AND d.datdba = m.roleid) LIMIT 1;
  IF statement IS NOT NULL THEN
    RAISE EXCEPTION 'refused: % by the grant of an administrator, which only an administrator can undo', statement;
  END IF;
  PERFORM set_config('operator_hooks.changes', done::text, false);
END $do$;
SQL
`

// A new role has no password, so that it cannot log in: and whoever can, has the right one. psql itself makes the
// verifier that is sent, so that no log of statements has a password in it; it reads from the terminal if there is one.
const passwords = String.raw`
for login in $${variable.logins}; do
  password=$(cat "${paths.logins}/$login")
  if [ -z "$password" ]; then echo "the password of $login is empty" >&2; exit 1; fi
  enters() { PGUSER=$login PGPASSWORD=$password psql --no-psqlrc --quiet --dbname=postgres --command='SELECT 1' >/dev/null 2>"$work/refused"; }
  if ! enters && ! grep -q 'too many connections' "$work/refused"; then
    printf '\\password "%s"\n' "$login" >"$work/password.sql"
    printf '%s\n%s\n' "$password" "$password" |
      PGPASSWORD=$operator_password setsid psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=VERBOSITY=terse \
        --dbname=postgres --file="$work/password.sql" >/dev/null
    changes=$((changes + 1))
    if ! enters && ! grep -q 'too many connections' "$work/refused"; then
      echo "$login cannot log in with its password: $(tail -n 1 "$work/refused")" >&2
      exit 1
    fi
  fi
done
`

// Objects of those roles that the operator is a member of; what an administrator made is the administrator's to share.
// https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-ACLITEM-FN-TABLE
const privileges = String.raw`
databases >"$work/databases"
while IFS=$'\t' read -r database _; do
  if ! grep -qxF -- "$database" "$work/databases"; then
    echo "there is no database \"$database\" that belongs to the owner of the Database" >&2
    exit 1
  fi
done <<<"$${variable.grants}"

while read -r database; do
  PGDATABASE=$database run <<'SQL'
DO $do$
DECLARE${header}
  granted text := coalesce((
    SELECT split_part(line, E'\t', 2)
      FROM regexp_split_to_table(current_setting('operator_hooks.grants'), E'\n') AS line
     WHERE split_part(line, E'\t', 1) = current_database()), '');
  -- A member of the owner needs nothing of its own.
  tables text[] := CASE WHEN granted IN ('', 'OWNER') THEN '{}' ELSE string_to_array(granted, ',') END;
  writes boolean := tables && '{INSERT,UPDATE}'::text[];
  sequences text[] := CASE WHEN tables = '{}' THEN '{}' WHEN writes THEN '{SELECT,USAGE}' ELSE '{SELECT}' END::text[];
  schemas text[] := CASE WHEN tables = '{}' THEN '{}' ELSE '{USAGE}' END::text[];
  databases text[] := CASE WHEN granted = '' THEN '{}' ELSE '{CONNECT}' END::text[];
  user_oid oid := (SELECT oid FROM pg_roles WHERE rolname = base);
  owner_oid oid := (SELECT datdba FROM pg_database WHERE datname = current_database());
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('operator-hooks'));
  FOR statement IN
    WITH objects AS (
      SELECT format('DATABASE %I', datname) AS object, datacl AS acl, databases AS wanted
        FROM pg_database WHERE datname = current_database()
      UNION ALL
      SELECT format('SCHEMA %I', nspname), nspacl, schemas FROM pg_namespace
       WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND pg_has_role(nspowner, 'USAGE') AND nspowner <> user_oid
      UNION ALL
      SELECT format(CASE relkind WHEN 'S' THEN 'SEQUENCE %I.%I' ELSE 'TABLE %I.%I' END, nspname, relname), relacl,
        CASE relkind WHEN 'S' THEN sequences ELSE tables END
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
         AND pg_has_role(relowner, 'USAGE') AND relowner <> user_oid
    ), missing AS (
      SELECT object, privilege FROM objects, unnest(wanted) AS privilege
      EXCEPT SELECT object, privilege_type FROM objects, aclexplode(acl) AS a WHERE a.grantee = user_oid
    ), surplus AS (
      SELECT object, privilege_type AS privilege FROM objects, aclexplode(acl) AS a WHERE a.grantee = user_oid
      EXCEPT SELECT object, privilege FROM objects, unnest(wanted) AS privilege
    ), options AS (
      SELECT object, privilege_type AS privilege FROM objects, aclexplode(acl) AS a
       WHERE a.grantee = user_oid AND is_grantable AND privilege_type = ANY (wanted)
    ), columns AS (
      SELECT format('%I.%I', nspname, relname) AS object, format('%s (%I)', privilege_type, attname) AS privilege
        FROM pg_attribute t JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(attacl) AS a
       WHERE a.grantee = user_oid AND pg_has_role(relowner, 'USAGE')
    ), standing AS (
      -- What the owner makes from now on.
      SELECT kind, word, wanted, (
        SELECT array_agg(privilege_type) FROM pg_default_acl, aclexplode(defaclacl) AS a
         WHERE defaclrole = owner_oid AND defaclnamespace = 0 AND defaclobjtype::text = kind AND a.grantee = user_oid) AS actual
        FROM (VALUES ('r', 'TABLES', tables), ('S', 'SEQUENCES', sequences), ('n', 'SCHEMAS', schemas)) AS v (kind, word, wanted)
    )
    SELECT format('GRANT %s ON %s TO %I', string_agg(privilege, ', '), object, base) FROM missing GROUP BY object
    UNION ALL
    SELECT format('REVOKE %s ON %s FROM %I', string_agg(privilege, ', '), object, base) FROM surplus GROUP BY object
    UNION ALL
    SELECT format('REVOKE GRANT OPTION FOR %s ON %s FROM %I', string_agg(privilege, ', '), object, base) FROM options GROUP BY object
    UNION ALL
    SELECT format('REVOKE %s ON TABLE %s FROM %I', privilege, object, base) FROM columns
    UNION ALL
    SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT %s ON %s TO %I', pg_get_userbyid(owner_oid), string_agg(privilege, ', '), word, base)
      FROM standing, unnest(wanted) AS privilege WHERE NOT privilege = ANY (coalesce(actual, '{}')) GROUP BY word
    UNION ALL
    SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I REVOKE %s ON %s FROM %I', pg_get_userbyid(owner_oid), string_agg(privilege, ', '), word, base)
      FROM standing, unnest(actual) AS privilege WHERE NOT privilege = ANY (wanted) GROUP BY word
  LOOP${execute}
  END LOOP;
  PERFORM set_config('operator_hooks.changes', done::text, false);
END $do$;
SQL
done <"$work/databases"
`

// Roles of this resource that are not wanted: their sessions end, what they own goes to `heir`. To do so one has to be
// a member, which whoever may make roles can become.
function dropRoles(which: string, heir: string): string {
  return String.raw`
client --dbname=postgres --file=- >"$work/roles" < <(variables; cat <<'SQL'
SELECT rolname FROM pg_roles
 WHERE shobj_description(oid, 'pg_authid') = :'mark' AND ${which} ORDER BY rolname = :'username', rolname;
SQL
)
databases >"$work/databases"
while read -r role; do
  export role
  PGDATABASE=postgres run <<'SQL'
\set role ${'`'}printf %s "$role"${'`'}
SELECT set_config('operator_hooks.role', :'role', false) \g /dev/null
DO $do$
DECLARE${header}
  role text := current_setting('operator_hooks.role');
BEGIN
  IF EXISTS (SELECT FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE r.rolname = role) THEN
    RAISE EXCEPTION 'refused: the role "%" owns a database', role;
  END IF;
  statement := format('ALTER ROLE %I NOLOGIN', role);${execute}
  EXECUTE format('GRANT %I TO %I', role, current_user);
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = role;
END $do$;
SQL
  while read -r database; do
    PGDATABASE=$database run <<'SQL'
\set role ${'`'}printf %s "$role"${'`'}
SELECT set_config('operator_hooks.role', :'role', false) \g /dev/null
DO $do$
DECLARE
  role text := current_setting('operator_hooks.role');
  heir text := ${heir};
BEGIN
  EXECUTE format('REASSIGN OWNED BY %I TO %I', role, heir);
  EXECUTE format('DROP OWNED BY %I', role);
END $do$;
SQL
  done <"$work/databases"
  PGDATABASE=postgres run <<'SQL'
\set role ${'`'}printf %s "$role"${'`'}
SELECT format('DROP ROLE %I', :'role') \gexec
SQL
done <"$work/roles"
`
}

const report = `
printf '{"changes":%d}' "$changes" >"$${variable.result}"
`

export const postgresql: Scripts = {
  apply: `${prologue}${roles}${passwords}${privileges}${dropRoles(
    "NOT rolname = ANY (string_to_array(:'logins', ' ') || :'username'::text)",
    "current_setting('operator_hooks.username')",
  )}${report}`,
  drop: `${prologue}${dropRoles(
    'true',
    '(SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database())',
  )}${report}`,
}
