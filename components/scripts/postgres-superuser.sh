#!/usr/bin/env bash
# Sets the superuser's password: the image uses its password file only while the data directory is empty. Closes the
# server's own databases to everybody else, and takes the login from consumers that are not (any more) declared.
# Arguments: the role of every consumer that there is to be. Stdin: the password. Safe to repeat.
set -euo pipefail

refuse() { # MESSAGE
  printf 'postgres: %s\nhint: report this\n' "$1" >&2
  exit 64
}

main() {
  local password role roles=""
  IFS= read -r password
  [[ $password =~ ^[A-Za-z0-9]+$ ]] || refuse "password has unexpected characters"
  for role in "$@"; do
    [[ $role =~ ^[a-z][a-z0-9_]*$ ]] || refuse "name has unexpected characters: $role"
    roles="$roles,$role"
  done
  # What a former consumer has stays, with the role that owns it.
  docker exec -i postgres psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres >/dev/null <<SQL
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
ALTER ROLE postgres PASSWORD '$password';
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
CREATE TEMPORARY TABLE former AS SELECT rolname FROM pg_roles
  WHERE rolcanlogin AND shobj_description(oid, 'pg_authid') = 'consumer' AND rolname <> ALL ('{${roles#,}}'::name[]);
SELECT format('ALTER ROLE %I NOLOGIN PASSWORD NULL', rolname) FROM former \gexec
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN (SELECT rolname FROM former);
SQL
  echo ready
}

main "$@"
