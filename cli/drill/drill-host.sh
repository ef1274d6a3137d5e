#!/usr/bin/env bash
# A drill on the VM, in containers and a volume of its own that go with it. Runs there as root, fed through ssh:
#   bash -s -- run     prints the job's report as one line of JSON, then what git says: `fsck COUNT`, `bad REPOSITORY: WHY`
#   bash -s -- clean   removes what a drill has left
#   bash -s -- git VOLUME DIRECTORY   what git says of the repositories of a forge that was brought back elsewhere
# Exit codes and messages as in errors.ts.
set -euo pipefail

readonly name=foundation-drill
readonly mark=foundation.drill

fail() { # CODE MESSAGE HINT
  printf 'drill: %s\nhint: %s\n' "$2" "$3" >&2
  exit "$1"
}

clean() {
  local found
  found=$(docker ps --all --quiet --filter "label=$mark")
  # shellcheck disable=SC2086 # one word for each
  [ -z "$found" ] || docker rm --force --volumes $found >/dev/null 2>&1 || true
  found=$(docker volume ls --quiet --filter "label=$mark")
  # shellcheck disable=SC2086
  [ -z "$found" ] || docker volume rm --force $found >/dev/null 2>&1 || true
}

contained() { # NAME ARGUMENT...
  docker run --rm --name "$1" --label "$mark=1" --user 1000:1000 --read-only --cap-drop ALL \
    --security-opt no-new-privileges --tmpfs /tmp:mode=1777,size=64m --log-driver none "${@:2}"
}

# Restores and compares; what was restored stays on the volume for git.
restore() {
  local image files
  image=$(docker container inspect -f '{{.Config.Image}}' backup 2>/dev/null) ||
    fail 7 "there is no container backup on the VM" "pulumi up"
  files=$(docker container inspect -f '{{range .Mounts}}{{if eq .Destination "/etc/foundation"}}{{.Source}}{{end}}{{end}}' backup)
  docker volume create --label "$mark=1" "$name" >/dev/null
  contained "$name" --network backup-public --tmpfs /var/lib/postgresql:mode=0700,size=1m \
    --volume "$name:/var/lib/backup" --volume "$files:/etc/foundation:ro" "$image" drill --json --keep
}

# The forge's own git, without any network.
check_git() { # VOLUME DIRECTORY: of the repositories on it, a pattern
  local image
  image=$(docker container inspect -f '{{.Config.Image}}' forgejo 2>/dev/null) ||
    fail 7 "there is no container forgejo on the VM" "pulumi up"
  # shellcheck disable=SC2016 # for the shell in the container
  contained "$name-git" --network none --env HOME=/tmp --volume "$1:/drill:ro" --entrypoint sh "$image" -c '
    count=0
    for repository in /drill/$1/*/*.git; do
      [ -d "$repository" ] || continue
      count=$((count + 1))
      said=$(git -C "$repository" fsck --no-dangling --no-progress 2>&1) ||
        echo "bad ${repository#*/git/repositories/}: $(echo "$said" | grep -v ^notice | head -n 1)"
    done
    echo "fsck $count"' fsck "$2"
}

run() {
  local code=0
  exec 9>/run/foundation-drill.lock
  flock --nonblock 9 || fail 8 "another drill runs on the VM" "wait for it"
  clean
  trap clean EXIT
  trap 'exit 130' INT TERM HUP PIPE
  restore || code=$?
  case $code in
    0 | 1)
      check_git "$name" 'drill/restored/sources/*/git/repositories' ||
        fail 9 "git cannot be run in a container of the forge" "docker logs forgejo (on the VM)"
      ;;
    125 | 126 | 127) fail 9 "the container of the drill does not start" "docker info (on the VM)" ;;
  esac
  return "$code"
}

main() {
  case ${1:-} in
    run | clean) "$1" ;;
    git) check_git "$2" "$3" ;;
    *) fail 64 "unknown command ${1:-}" "report this" ;;
  esac
}

main "$@" </dev/null
