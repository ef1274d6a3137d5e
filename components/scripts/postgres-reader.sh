#!/usr/bin/env bash
# Lets a role read everything in some databases, and change nothing; safe to repeat. Arguments: ROLE DATABASE...
set -euo pipefail

main() {
  local role=$1 database
  for database in "$@"; do
    if ! [[ $database =~ ^[a-z][a-z0-9_]*$ ]]; then
      printf 'postgres: name has unexpected characters: %s\nhint: report this\n' "$database" >&2
      exit 64
    fi
  done
  shift
  {
    echo "GRANT pg_read_all_data TO $role;"
    for database in "$@"; do echo "GRANT CONNECT ON DATABASE \"$database\" TO $role;"; done
  } | docker exec -i postgres psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres >/dev/null
  echo ready
}

main "$@"
