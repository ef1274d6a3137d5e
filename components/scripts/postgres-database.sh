#!/usr/bin/env bash
# Gives a service its own role and database, and (re)sets the role's password; safe to repeat.
# Arguments: NAME [consumer]. Stdin: the password. Reaches the server over the container's own socket, so no password is
# needed. A consumer's role is marked as such, so that it is found again when the consumer is not declared any more.
set -euo pipefail

main() {
  local name=$1 mark=${2:-service} password
  IFS= read -r password
  # All are written into SQL text below; nothing else than these characters is ever generated.
  if ! [[ $name =~ ^[a-z][a-z0-9_]*$ && $mark =~ ^[a-z]+$ && $password =~ ^[A-Za-z0-9]+$ ]]; then
    printf 'postgres: name or password has unexpected characters: %s\nhint: report this\n' "$name" >&2
    exit 64
  fi
  docker exec -i postgres psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres >/dev/null <<SQL
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SELECT 'CREATE ROLE "$name" LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$name') \gexec
ALTER ROLE "$name" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '$password';
COMMENT ON ROLE "$name" IS '$mark';
SELECT 'CREATE DATABASE "$name" OWNER "$name"' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$name') \gexec
REVOKE ALL ON DATABASE "$name" FROM PUBLIC;
SQL
  echo ready
}

main "$@"
