#!/usr/bin/env bash
# Prepares the second host: checks first, then Docker, the script and the images. Follows host.sh, whose functions it uses.
# Idempotent. Arguments: OWNER PORT IMAGE...; the script itself is in the variable `offsite`.
setup_offsite() {
  [ "$(id -u)" = 0 ] || fail 9 "not root" "give the SSH user of the offsite password-less sudo"
  local script=/usr/local/lib/foundation/offsite image
  # shellcheck disable=SC2154 # set by the text that this is part of
  bash -c "$offsite" offsite check "$1" "$2"
  printf '%s\n' "$offsite" | replace "$script" 0755
  install_packages
  systemctl reset-failed docker docker.socket 2>/dev/null || true
  systemctl is-active --quiet docker || systemctl start docker ||
    fail 9 "Docker does not start" "on the offsite: journalctl -u docker -n 50"
  systemctl is-enabled --quiet docker || systemctl enable --quiet docker
  for image in "${@:3}"; do
    docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null ||
      fail 1 "cannot pull $image" "on the offsite: docker pull $image"
  done
  echo ready
}
