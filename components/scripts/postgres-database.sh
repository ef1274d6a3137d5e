#!/usr/bin/env bash
# Gives a service its own role and database, and (re)sets the role's password; safe to repeat.
# Argument: NAME. Stdin: the password. Reaches the server over the container's own socket, so no password is needed.
set -euo pipefail

main() {
  local name=$1 password
  IFS= read -r password
  # Both are written into SQL text below; nothing else than these characters is ever generated.
  if ! [[ $name =~ ^[a-z_]+$ && $password =~ ^[A-Za-z0-9]+$ ]]; then
    printf 'postgres: name or password has unexpected characters: %s\nhint: report this\n' "$name" >&2
    exit 64
  fi
  docker exec -i postgres psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres >/dev/null <<SQL
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SELECT 'CREATE ROLE $name LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$name') \gexec
ALTER ROLE $name LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '$password';
SELECT 'CREATE DATABASE $name OWNER $name' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$name') \gexec
REVOKE ALL ON DATABASE $name FROM PUBLIC;
SQL
  echo ready
}

main "$@"
