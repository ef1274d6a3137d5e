#!/usr/bin/env bash
# Packs the forge's repositories, once a night: they are the forge's, and it leaves that to us (app.ini: receive.autogc,
# gc.auto, cron.git_gc_repos), because a repack moves objects under whoever copies them. So no backup runs meanwhile,
# and one that succeeded has been there before. Runs as root, started by foundation-git-gc.timer.
set -euo pipefail

readonly state=/var/lib/docker/volumes/backup-data/_data/state
# A backup waits half an hour for the lock. What is left is packed the next night.
readonly limit=1500

skip() { # REASON
  echo "git gc: not tonight: $1"
  exit 0
}

# The lock of the backups, kept until this script ends.
take_lock() {
  # Opened for reading: one that root made could not be the job's.
  if ! { exec 9<"$state/lock"; } 2>/dev/null; then skip "there was no backup yet"; fi
  flock --wait 7200 9 || skip "a backup has been running for two hours"
  [ "$(date +%s)" -lt "$(cat "$state/healthy-until" 2>/dev/null || echo 0)" ] ||
    skip "the newest backup is late or the last one failed: npx foundation backup status"
}

main() {
  # A foundation without an offsite has no backups to wait for.
  if docker container inspect backup >/dev/null 2>&1; then take_lock; fi
  # shellcheck disable=SC2016 # for the shell in the container
  docker exec --user 1000 forgejo timeout "$limit" sh -c '
    failed=0
    for repository in /var/lib/gitea/git/repositories/*/*.git; do
      [ -d "$repository" ] || continue
      git -C "$repository" -c gc.auto=1000 -c gc.autoDetach=false gc --auto --quiet ||
        { failed=1; echo "git gc: $repository" >&2; }
    done
    exit "$failed"'
}

main "$@" </dev/null
