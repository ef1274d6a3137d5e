#!/usr/bin/env bash
# Prepares an empty data directory from POSTGRES_* and /docker-entrypoint-initdb.d, then becomes the server.
# Stands in for the entrypoint of the official image: same variables, same order, same refusals.
set -Eeuo pipefail

note() { printf 'postgres: %s\n' "$*"; }
die() {
  printf 'postgres: %s\n' "$*" >&2
  exit 1
}

# NAME or the content of the file NAME_FILE; both at once is a mistake.
setting() {
  local -n variable=$1
  local file="${1}_FILE"
  if [[ -n ${variable:-} && -n ${!file:-} ]]; then die "both $1 and $file are set"; fi
  if [[ -n ${!file:-} ]]; then variable="$(<"${!file}")"; fi
  variable="${variable:-${2:-}}"
  unset "$file"
}

wants_help() {
  local argument
  for argument; do
    case "$argument" in -\? | --help | --describe-config | -V | --version) return 0 ;; esac
  done
  return 1
}

prepare_directories() {
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA" || true
  mkdir -p /var/run/postgresql
  chmod 3775 /var/run/postgresql || true
  if [[ $(id -u) -ne 0 ]]; then return; fi
  find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
  find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
}

refuse_unusable() {
  if [[ -z $POSTGRES_PASSWORD && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
    die "data directory is empty and POSTGRES_PASSWORD is not set"
  fi
  # Up to version 17 the volume was mounted one level deeper; starting fresh beside such data would hide it.
  local old
  for old in /var/lib/postgresql /var/lib/postgresql/data /var/lib/postgresql/*/data; do
    if [[ $old != "$PGDATA" && -s $old/PG_VERSION ]]; then
      die "$old holds a cluster of version $(<"$old/PG_VERSION"); mount the volume at /var/lib/postgresql and upgrade it"
    fi
  done
}

initialise() {
  local arguments=()
  eval "arguments=($POSTGRES_INITDB_ARGS)"
  if [[ -n $POSTGRES_INITDB_WALDIR ]]; then arguments+=(--waldir "$POSTGRES_INITDB_WALDIR"); fi
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${arguments[@]}"
  # Everything on the socket and on loopback is already inside the container; the network has to give the password.
  printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >>"$PGDATA/pg_hba.conf"
}

# Without listen_addresses nobody outside can take the half-prepared server for the real one.
temporary_server() {
  PGUSER="${PGUSER:-$POSTGRES_USER}" pg_ctl -D "$PGDATA" -w "$1" "${@:2}"
}

sql() {
  PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" "$@"
}

create_database() {
  if [[ $POSTGRES_DB == postgres ]]; then return; fi
  local found
  found="$(sql --dbname postgres --set db="$POSTGRES_DB" --tuples-only <<<"SELECT 1 FROM pg_database WHERE datname = :'db';")"
  if [[ -z $found ]]; then sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'; fi
}

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh)
        note "running $file"
        # shellcheck source=/dev/null
        if [[ -x $file ]]; then "$file"; else . "$file"; fi
        ;;
      *.sql) note "running $file" && sql --dbname "$POSTGRES_DB" -f "$file" ;;
      *.sql.gz) note "running $file" && gunzip -c "$file" | sql --dbname "$POSTGRES_DB" ;;
      *.sql.xz) note "running $file" && xzcat "$file" | sql --dbname "$POSTGRES_DB" ;;
      *.sql.zst) note "running $file" && zstd -dc "$file" | sql --dbname "$POSTGRES_DB" ;;
      */\*) ;;
      *) note "ignoring $file" ;;
    esac
  done
}

first_start() {
  refuse_unusable
  initialise
  temporary_server start -o "-c listen_addresses='' -p ${PGPORT:-5432}"
  create_database
  run_init_files
  temporary_server stop -m fast
  note 'data directory is prepared'
}

main() {
  if [[ ${1:-} == -* ]]; then set -- postgres "$@"; fi
  if [[ ${1:-} != postgres ]] || wants_help "$@"; then exec "$@"; fi
  prepare_directories
  if [[ $(id -u) -eq 0 ]]; then exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"; fi
  if [[ -s $PGDATA/PG_VERSION ]]; then
    note 'data directory is in use already, nothing to prepare'
  else
    setting POSTGRES_PASSWORD
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    setting POSTGRES_INITDB_ARGS
    POSTGRES_INITDB_WALDIR="${POSTGRES_INITDB_WALDIR:-}"
    POSTGRES_HOST_AUTH_METHOD="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
    # Init scripts are separate programs and read these.
    export POSTGRES_USER POSTGRES_DB POSTGRES_PASSWORD
    export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
    first_start
    unset PGPASSWORD POSTGRES_PASSWORD
  fi
  exec "$@"
}

main "$@"
