#!/bin/sh
# Speaks RustFS's environment and starts versitygw with what it means. Credentials go from file to process, never through argv.
set -eu

die() {
  printf 'rustfs: %s\n' "$*" >&2
  exit 1
}

# credential NAME: from RUSTFS_NAME or the file RUSTFS_NAME_FILE. Printed for capture only.
credential() {
  eval "value=\${RUSTFS_$1-} file=\${RUSTFS_$1_FILE-}"
  # shellcheck disable=SC2154 # both are set by the eval above
  if [ -n "$value" ] && [ -n "$file" ]; then die "both RUSTFS_$1 and RUSTFS_$1_FILE are set"; fi
  if [ -n "$file" ]; then
    [ -r "$file" ] || die "RUSTFS_$1_FILE: cannot read $file"
    value="$(cat "$file")"
    [ -n "$value" ] || die "RUSTFS_$1_FILE: $file is empty"
  fi
  if [ -z "$value" ]; then
    printf 'rustfs: RUSTFS_%s is not set, using the well-known default\n' "$1" >&2
    value=rustfsadmin
  fi
  printf '%s' "$value"
}

case "${1:-}" in --version | -V) exec /usr/libexec/versitygw --version ;; esac

case "${RUSTFS_VOLUMES:-/data}" in *' '* | *'{'*) die "RUSTFS_VOLUMES: only one volume is supported here: $RUSTFS_VOLUMES" ;; esac

ROOT_ACCESS_KEY="$(credential ACCESS_KEY)"
ROOT_SECRET_KEY="$(credential SECRET_KEY)"
export ROOT_ACCESS_KEY ROOT_SECRET_KEY
unset RUSTFS_ACCESS_KEY RUSTFS_SECRET_KEY

data="${RUSTFS_VOLUMES:-/data}"
mkdir -p "$data/buckets" "$data/versions" "$data/users"
exec /usr/libexec/versitygw --quiet --keep-alive \
  --port "${RUSTFS_ADDRESS:-:9000}" \
  --region "${RUSTFS_REGION:-us-east-1}" \
  --health /health/ready \
  --iam-dir "$data/users" \
  posix --versioning-dir "$data/versions" "$data/buckets"
