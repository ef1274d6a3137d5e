#!/usr/bin/env bash
# Looks after Vault's container and data volume on the VM; runs there as root, fed through ssh:
#   bash -s -- OWNER COMMAND [ARGUMENT...]
# Exit codes and messages as in errors.ts.
set -euo pipefail

readonly container=vault
readonly volume=vault-data
readonly config=/etc/foundation/vault/vault.hcl

fail() {
  printf '%s\nhint: %s\n' "$2" "$3" >&2
  exit "$1"
}

# check_owner OWNER KIND NAME: what carries our name and not our label belongs to somebody else.
check_owner() {
  local labels='.Labels' found
  [ "$2" = container ] && labels='.Config.Labels'
  found=$(docker "$2" inspect -f "{{index $labels \"foundation.owner\"}}" "$3" 2>/dev/null) ||
    fail 7 "vm: no $2 named $3" "pulumi up"
  [ "$found" = "$1" ] ||
    fail 8 "vm: the $2 $3 belongs to \"$found\", not to this foundation ($1)" "docker $2 inspect $3 (on the VM)"
}

read_if_there() {
  if [ -e "$1" ]; then cat -- "$1"; fi
}

# Written beside, flushed, renamed: the marker decides about wiping and is never half there.
write_marker() {
  printf '%s\n' "$2" >"$1.tmp"
  # The backup reads it too, as a user of its own; it names a set of shares and holds nothing of them.
  chmod 0644 -- "$1.tmp"
  sync -- "$1.tmp"
  mv -- "$1.tmp" "$1"
  sync -f -- "$1"
}

# initialise SPOOL N T PGP-KEY: asks sys/init from here and keeps the answer, which is ciphertext, before it passes it
# on. HTTP/1.0, so that the answer comes in one piece and ends with the connection; bash speaks it without a program.
initialise() {
  local spool=$1 n=$2 t=$3 key=$4 keys="" body status
  for ((i = 0; i < n; i++)); do keys+=${keys:+,}\"$key\"; done
  body="{\"secret_shares\":$n,\"secret_threshold\":$t,\"pgp_keys\":[$keys],\"root_token_pgp_key\":\"$key\"}"
  exec 3<>/dev/tcp/127.0.0.1/8200 || fail 7 "vault: nothing answers" "docker logs --tail 50 vault (on the VM)"
  printf 'POST /v1/sys/init HTTP/1.0\r\nHost: 127.0.0.1\r\nX-Vault-Request: true\r\nContent-Length: %d\r\n\r\n%s' \
    "${#body}" "$body" >&3
  timeout 60 cat <&3 >"$spool.raw"
  status=$(head -n 1 "$spool.raw" | tr -d '\r')
  case $status in
    "HTTP/1."?" 200 "*) ;;
    *) fail 1 "vault: sys/init: answered $status" "docker logs --tail 50 vault (on the VM)" ;;
  esac
  sed '1,/^\r*$/d' "$spool.raw" >"$spool.part"
  sync -- "$spool.part"
  mv -- "$spool.part" "$spool"
  sync -f -- "$spool"
  rm -f -- "$spool.raw"
  cat -- "$spool"
}

shred_spool() {
  find "$1" -mindepth 1 -maxdepth 1 -type f -name '.foundation-init.*' -exec shred -u -- {} +
  sync -f -- "$1"
}

# set_endpoints [FAMILY]: what Vault answers without a token. One file and one rename, so that it is open or closed and
# nothing else; the line is told from others by its comment. Vault reads it again on SIGHUP, and at every start.
set_endpoints() {
  local mark='# open for one command' temporary
  temporary=$(mktemp "${config%/*}/.endpoints.XXXXXX")
  sed "/$mark\$/d" "$config" >"$temporary"
  if [ -n "${1-}" ]; then printf 'enable_unauthenticated_access = ["%s"] %s\n' "$1" "$mark" >>"$temporary"; fi
  chown --reference="$config" -- "$temporary"
  chmod --reference="$config" -- "$temporary"
  sync -- "$temporary"
  mv -f -- "$temporary" "$config"
  sync -f -- "$config"
  if [ "$(docker container inspect -f '{{.State.Running}}' "$container")" = true ]; then
    docker kill -s HUP "$container" >/dev/null
  fi
}

# Empties the volume; the marker goes last, so that a wipe that was cut short is done again.
wipe() {
  local directory=$1 marker=$2 expected=$3
  [ "$(docker container inspect -f '{{.State.Running}}' "$container")" = false ] ||
    fail 1 "vm: the container $container runs; its volume is not wiped" "run the command again"
  [ "$(read_if_there "$marker")" = "$expected" ] ||
    fail 8 "vm: the volume $volume does not carry the marker of this initialisation" "nothing was changed"
  find "$directory" -mindepth 1 -maxdepth 1 ! -path "$marker" -exec rm -rf -- {} +
  sync -f -- "$directory"
  rm -- "$marker"
}

main() {
  local owner=$1 command=$2 directory marker spool
  umask 077
  # A command of a run that was killed may still be at work; two at once could undo each other.
  exec 9>/run/foundation-vault-host.lock
  flock -w 60 9 || fail 1 "vm: an earlier command on Vault's volume does not end" "ps -ef (on the VM)"
  check_owner "$owner" container "$container"
  check_owner "$owner" volume "$volume"
  directory=$(docker volume inspect -f '{{.Mountpoint}}' "$volume")
  marker=$directory/.foundation-epoch
  spool=$directory/.foundation-init.${3-}
  case $command in
    read-marker) read_if_there "$marker" ;;
    write-marker) write_marker "$marker" "$3" ;;
    initialise) initialise "$spool" "$4" "$5" "$6" ;;
    read-spool) read_if_there "$spool" ;;
    shred-spool) shred_spool "$directory" ;;
    open-endpoint) set_endpoints "$3" ;;
    close-endpoints) set_endpoints ;;
    wipe) wipe "$directory" "$marker" "$3" ;;
    start) docker start "$container" >/dev/null ;;
    stop) docker stop -t 30 "$container" >/dev/null ;;
    restart) docker restart -t 30 "$container" >/dev/null ;;
    *) fail 64 "vm: unknown command $command" "this is a defect" ;;
  esac
}

main "$@" </dev/null
