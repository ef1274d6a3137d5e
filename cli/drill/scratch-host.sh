#!/usr/bin/env bash
# The scratch host of a drill: taken, looked at, and given back. Runs there as root, as an argument of bash:
#   begin OWNER   refuses a host that has anything of a foundation, and marks it as a drill's
#   facts         what came up when, as `name=value` lines
#   seed OWNER    the restore once more: what kept it from its end, or that nothing did
#   check OWNER   stdin: role id and secret id for Vault, a line each; prints the report of the job
#   clean OWNER   removes everything that the drill has put there; nothing on a host that is not marked
# Every command can be repeated. Exit codes and messages as in errors.ts.
set -euo pipefail
umask 077

# Outlives everything else of the drill, so that what a lost laptop has left is known for what it is.
readonly mark=/var/lib/foundation-drill
readonly scripts=/usr/local/lib/foundation files=/run/foundation-drill

fail() { # CODE MESSAGE HINT
  printf 'drill: %s\nhint: %s\n' "$2" "$3" >&2
  exit "$1"
}

begin() { # OWNER
  local found
  [ ! -e "$mark" ] || clean "$1"
  for found in /etc/foundation /var/lib/foundation /var/lib/foundation-offsite; do
    [ ! -e "$found" ] ||
      fail 8 "this host has a foundation, or the backups of one: $found" "choose a host that has nothing of anybody's"
  done
  if command -v docker >/dev/null; then
    found=$(docker ps --all --filter label=foundation.owner --format '{{.Names}}' | xargs)
    [ -z "$found" ] || fail 8 "this host has containers of a foundation: $found" "choose a host that has nothing of anybody's"
  fi
  echo "$1" >"$mark"
}

facts() {
  command -v docker >/dev/null || return 0
  docker network ls --quiet --filter label=foundation.owner | xargs -r docker network inspect -f 'network={{.Name}} {{json .Created}}'
  docker ps --all --quiet --filter label=foundation.owner | xargs -r docker inspect -f 'container={{.Name}} {{json .Created}}'
  if [ -e /var/lib/foundation/seed/seed.json ]; then
    echo "seed=$(tr -d '\n' </var/lib/foundation/seed/seed.json)"
    echo "seed_written=$(stat -c %.3Y /var/lib/foundation/seed/seed.json)"
  fi
  # The helper writes it when what it took in has opened.
  local opened=/var/lib/docker/volumes/vault-data/_data/.foundation-epoch
  if grep -q STORED "$opened" 2>/dev/null; then echo "vault_opened=$(stat -c %.3Y "$opened")"; fi
  # last, so that the caller knows that nothing was cut off
  echo "clock=$(date +%s.%3N)"
}

# Of the job: there is but one, which the deployment has built.
job_image() {
  docker image ls --format '{{.Repository}}:{{.Tag}}' foundation/backup 2>/dev/null | head -n 1
}

seed() { # OWNER
  if [ ! -x "$scripts/seed" ] || [ ! -s /etc/foundation/seed/plan.json ] || [ -z "$(job_image)" ]; then
    fail 9 "the deployment stopped before the backup was looked at" "what stopped it is said above"
  fi
  "$scripts/seed" "$1" "$(job_image)" auto
}

check() { # OWNER
  local role secret password databases network code=0
  read -r role
  read -r secret
  docker rm --force foundation-drill >/dev/null 2>&1 || true
  rm -rf "$files"
  cp -r /etc/foundation/seed "$files"
  # The backup's own role reads every store; here it has no password yet.
  password=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
  databases=$(docker exec postgres psql -U postgres -Atc "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'")
  "$scripts/postgres-database" backup <<<"$password" >/dev/null
  # shellcheck disable=SC2086 # one word for each
  "$scripts/postgres-reader" backup $databases >/dev/null
  printf %s "$password" >"$files/postgres_password"
  printf %s "$role" >"$files/vault_role_id"
  printf %s "$secret" >"$files/vault_secret_id"
  : >"$files/forge_password"
  chown -R 1000:1000 "$files"
  docker create --name foundation-drill --label "foundation.owner=$1" --user 1000:1000 --read-only --init --cap-drop ALL \
    --security-opt no-new-privileges --memory 1g --tmpfs /tmp:mode=1777,size=64m \
    --tmpfs /var/lib/postgresql:mode=0700,size=1m --volume "$files:/etc/foundation:ro" \
    --volume backup-data:/var/lib/backup --volume forgejo-data:/sources/forgejo:ro --network postgres-backup \
    "$(job_image)" rebuilt --json >/dev/null
  for network in rustfs-backup vault-backup; do docker network connect "$network" foundation-drill; done
  docker start --attach foundation-drill </dev/null || code=$?
  rm -rf "$files"
  return "$code"
}

clean() { # OWNER
  [ -e "$mark" ] || return 0
  [ "$(cat "$mark")" = "$1" ] ||
    fail 8 "this host is in use by the drill of another foundation: $(cat "$mark")" "choose another host"
  local lock
  # What the operator's side has left behind may still be at work, a restore for hours; what it wrote later would stay.
  if command -v docker >/dev/null; then remove_containers "$1"; fi
  for lock in /run/foundation-*.lock; do [ ! -e "$lock" ] || flock --wait 300 "$lock" true || true; done
  if command -v docker >/dev/null; then clean_docker "$1"; fi
  clean_host
  rm -rf "$files" /etc/foundation "$scripts" /var/lib/foundation /run/foundation-*
  rm -f "$mark"
}

remove_containers() { # OWNER
  docker ps --all --quiet --filter "label=foundation.owner=$1" | xargs -r docker rm --force --volumes >/dev/null
}

clean_docker() { # OWNER
  local ours=(--quiet --filter "label=foundation.owner=$1")
  remove_containers "$1"
  docker image ls --quiet foundation/backup | sort -u | xargs -r docker image rm --force >/dev/null
  docker volume ls "${ours[@]}" | xargs -r docker volume rm --force >/dev/null
  docker network ls "${ours[@]}" | xargs -r docker network rm >/dev/null
}

remove_chains() { # COMMAND; those of firewall.sh
  local chain
  "$1" -D DOCKER-USER -j FOUNDATION 2>/dev/null || true
  for chain in INPUT OUTPUT; do "$1" -D $chain -j FOUNDATION-$chain 2>/dev/null || true; done
  # What one leads to can be deleted only when it is empty.
  for chain in "" -INPUT -OUTPUT -JOBS; do "$1" -F "FOUNDATION$chain" 2>/dev/null || true; done
  for chain in "" -INPUT -OUTPUT -JOBS; do "$1" -X "FOUNDATION$chain" 2>/dev/null || true; done
}

# What host.sh has set up. Docker, images that were pulled and the user's membership in its group stay.
clean_host() {
  local unit=/etc/systemd/system/foundation-git-gc command dropin=/etc/systemd/system/docker.service.d/foundation.conf
  systemctl disable --quiet --now foundation-git-gc.timer 2>/dev/null || true
  rm -f "$unit.service" "$unit.timer" /etc/logrotate.d/foundation-vault
  if [ -e /etc/ssh/sshd_config.d/10-foundation.conf ]; then
    rm -f /etc/ssh/sshd_config.d/10-foundation.conf
    systemctl reload ssh
  fi
  for command in iptables ip6tables; do remove_chains "$command"; done
  if sha256sum --status -c /var/lib/foundation/docker.sha256 2>/dev/null; then rm -f /etc/docker/daemon.json; fi
  if [ -e "$dropin" ]; then
    rm -f "$dropin"
    systemctl daemon-reload
    systemctl reset-failed docker docker.socket 2>/dev/null || true
    systemctl restart docker
  fi
}

main() {
  [ "$(id -u)" = 0 ] || fail 9 "not root" "give the SSH user of the scratch host password-less sudo"
  case ${1:-} in
    begin | clean | seed) "$1" "$2" </dev/null ;;
    facts) facts </dev/null ;;
    check) check "$2" ;;
    *) fail 64 "unknown command ${1:-}" "report this" ;;
  esac
}

main "$@"
