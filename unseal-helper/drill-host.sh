#!/usr/bin/env bash
# A Vault for a restore drill on the VM: the image of the real one, alone in a network without a way out, so that a
# restored Vault cannot revoke a lease or reach anything else. Runs there as root, fed through ssh:
#   bash -s -- OWNER start|restart|stop
# start and restart print its address. Exit codes and messages as in errors.ts.
set -euo pipefail

readonly name=vault-drill

fail() {
  printf '%s\nhint: %s\n' "$2" "$3" >&2
  exit "$1"
}

# Only what an earlier drill of this foundation left is removed.
remove() {
  local kind labels found
  for kind in container volume network; do
    labels='.Labels'
    [ "$kind" = container ] && labels='.Config.Labels'
    found=$(docker "$kind" inspect -f "{{index $labels \"foundation.owner\"}}" "$name" 2>/dev/null) || continue
    [ "$found" = "$1" ] ||
      fail 8 "vm: the $kind $name belongs to \"$found\", not to this foundation ($1)" "docker $kind inspect $name (on the VM)"
    [ "$kind" = container ] && docker stop -t 5 "$name" >/dev/null
    docker "$kind" rm "$name" >/dev/null
  done
}

start() {
  local owner=$1 image directory
  image=$(docker container inspect -f '{{.Image}}' vault 2>/dev/null) || fail 7 "vm: no container named vault" "pulumi up"
  docker network create --internal --label "foundation.owner=$owner" "$name" >/dev/null
  docker volume create --label "foundation.owner=$owner" "$name" >/dev/null
  directory=$(docker volume inspect -f '{{.Mountpoint}}' "$name")
  mkdir -p "$directory/config" "$directory/data"
  cat >"$directory/config/vault.hcl" <<'HCL'
disable_mlock = true
api_addr      = "http://vault:8200"
cluster_addr  = "http://vault:8201"
storage "raft" {
  path                   = "/vault/file/data"
  node_id                = "vault-0"
  performance_multiplier = 1
}
listener "tcp" {
  address     = "0.0.0.0:8200"
  tls_disable = true
}
HCL
  chown -R 100:1000 "$directory"
  # The audit devices of the snapshot write to /vault/logs: without the directory it could not be opened.
  docker run -d --name "$name" --label "foundation.owner=$owner" --network "$name" --network-alias vault \
    --user 100:1000 --cap-drop ALL --cap-add IPC_LOCK --security-opt no-new-privileges --read-only \
    --memory 1g --log-driver none --tmpfs /tmp:mode=1777,size=1g --tmpfs /vault/logs:mode=1777,size=64m \
    -v "$name:/vault/file" -e SKIP_SETCAP=true --entrypoint vault "$image" server -config=/vault/file/config >/dev/null
}

address() {
  docker container inspect -f "{{(index .NetworkSettings.Networks \"$name\").IPAddress}}" "$name"
}

main() {
  case $2 in
    start) remove "$1" && start "$1" && address ;;
    restart) docker restart -t 30 "$name" >/dev/null && address ;;
    stop) remove "$1" ;;
    *) fail 64 "vm: unknown command $2" "this is a defect" ;;
  esac
}

main "$@" </dev/null
