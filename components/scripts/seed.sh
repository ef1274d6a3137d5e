#!/usr/bin/env bash
# Fills empty volumes from the offsite's backup, or finds that there is nothing to do; safe to repeat, and goes on where
# it was cut short. Arguments: OWNER IMAGE SEED, where SEED is auto, fresh, a snapshot id or a time.
# The work is done in a container of the backup's image: it alone has the clients of all stores.
set -euo pipefail

readonly container=seed directory=/var/lib/foundation/seed

fail() { # CODE MESSAGE HINT
  printf 'seed: %s\nhint: %s\n' "$2" "$3" >&2
  exit "$1"
}

# A run whose connection broke may still be at work; it is ended, because this one does the same.
take_over() { # OWNER
  local found
  found=$(docker container inspect -f 'x{{index .Config.Labels "foundation.owner"}}' "$container" 2>/dev/null || true)
  case $found in
    "") ;;
    "x$1") docker rm --force --volumes "$container" >/dev/null ;;
    *) fail 8 "the container $container is not ours" "docker rename $container $container-old (on the VM)" ;;
  esac
  exec 9>/run/foundation-seed.lock
  flock -w 60 9 || fail 1 "an earlier run does not end" "on the VM: docker ps -a"
}

create() { # OWNER IMAGE SEED
  local network
  # Root with three capabilities: restored files get the owners that they had. nocopy: an image's own content in an
  # empty volume would look like data.
  docker create --name "$container" --label "foundation.owner=$1" --user 0:0 --read-only --init --hostname "seed-$$-$(date +%s)" \
    --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --security-opt no-new-privileges \
    --memory 1g --log-opt max-size=10m --log-opt max-file=2 --tmpfs /tmp:mode=1777,size=64m --tmpfs /var/lib/postgresql:mode=0700,size=1m \
    --volume /etc/foundation/seed:/etc/foundation:ro --volume "$directory:/seed" \
    --volume forgejo-data:/target/forgejo:nocopy --volume caddy-data:/target/caddy:nocopy \
    --volume backup-data:/var/lib/backup --network postgres-backup "$2" restore --seed "$3" >/dev/null
  for network in rustfs-backup backup-public; do docker network connect "$network" "$container"; done
}

main() {
  local code=0
  take_over "$1"
  create "$@"
  docker start --attach "$container" || code=$?
  docker rm --force --volumes "$container" >/dev/null
  rm -rf "$directory/cache"
  return "$code"
}

main "$@" </dev/null
