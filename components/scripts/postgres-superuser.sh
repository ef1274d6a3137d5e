#!/usr/bin/env bash
# Sets the superuser's password: the image uses its password file only while the data directory is empty.
# Stdin: the password. Safe to repeat.
set -euo pipefail

main() {
  local password
  IFS= read -r password
  if ! [[ $password =~ ^[A-Za-z0-9]+$ ]]; then
    printf 'postgres: password has unexpected characters\nhint: report this\n' >&2
    exit 64
  fi
  docker exec -i postgres psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres >/dev/null <<SQL
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
ALTER ROLE postgres PASSWORD '$password';
SQL
  echo ready
}

main
