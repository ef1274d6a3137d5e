#!/usr/bin/env bash
# Holds the lock of the backup job on the VM for as long as lines come in on stdin: a deployment and a backup do not mix.
# Prints `held`, or `none` where there is no backup job yet. Runs as root; argument: seconds to wait for a backup that runs.
# On the host and not in the job's container, which the deployment may replace.
set -euo pipefail

# The other end sends one every ten seconds; a laptop that is gone sends nothing, and need not have hung up.
readonly silence_seconds=60

main() { # SECONDS
  local volume
  volume=$(docker volume inspect -f '{{.Mountpoint}}' backup-data 2>/dev/null || true)
  if [ -z "$volume" ] || [ ! -d "$volume/state" ]; then
    echo none
    return
  fi
  if [ ! -e "$volume/state/lock" ]; then
    touch "$volume/state/lock"
    chown --reference="$volume/state" "$volume/state/lock"
  fi
  exec 9<"$volume/state/lock"
  if ! flock --exclusive --nonblock 9; then
    echo "a backup runs on the VM, and is waited for" >&2
    if ! flock --exclusive --wait "$1" 9; then
      printf 'up: a backup has been running on the VM for %d min\nhint: npx foundation backup status; pulumi up does not wait for it\n' \
        $(($1 / 60)) >&2
      return 8
    fi
  fi
  echo held
  while read -r -t "$silence_seconds" _; do :; done
}

main "$@"
