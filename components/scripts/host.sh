#!/usr/bin/env bash
# Prepares the VM: Docker from the distribution, its daemon options, sshd limits, the firewall, directories.
# Idempotent: a second run changes nothing and restarts nothing. Runs as root, fed through stdin.
# Arguments: SSH_USER FORGE_SSH_PORT
set -euo pipefail

fail() { # CODE MESSAGE HINT
  printf 'host: %s\nhint: %s\n' "$2" "$3" >&2
  exit "$1"
}

# Replaces FILE by stdin if it differs; succeeds only if it did.
replace() { # FILE MODE
  local new
  mkdir -p "$(dirname "$1")"
  new=$(mktemp "$1.XXXXXX")
  cat >"$new"
  if cmp -s "$new" "$1"; then
    rm -f "$new"
    return 1
  fi
  chmod "$2" "$new"
  mv -f "$new" "$1"
}

install_packages() {
  local missing=() package
  # Debian 13 splits the client from docker.io; older releases have it inside.
  for package in docker.io docker-cli iptables logrotate ca-certificates; do
    if [ "$package" = docker-cli ] && command -v docker >/dev/null; then continue; fi
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  # Another Docker (docker-ce) is as good; the distribution's package would only conflict with it.
  if command -v dockerd >/dev/null && command -v docker >/dev/null; then
    local kept=()
    for package in "${missing[@]}"; do case $package in docker*) ;; *) kept+=("$package") ;; esac done
    missing=("${kept[@]}")
  fi
  [ ${#missing[@]} -gt 0 ] || return 0
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update || fail 9 "apt-get update failed" "look at the package sources of the VM: apt-get update"
  if ! apt-cache show docker-cli >/dev/null 2>&1; then
    local available=()
    for package in "${missing[@]}"; do [ "$package" = docker-cli ] || available+=("$package"); done
    missing=("${available[@]}")
  fi
  apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install "${missing[@]}" >/dev/null ||
    fail 9 "cannot install ${missing[*]}" "on the VM: apt-get install ${missing[*]}"
}

configure_docker() {
  local stamp=/var/lib/foundation/daemon.json.sha256 file=/etc/docker/daemon.json changed=0
  # A daemon.json that somebody else wrote says things we must not silently drop.
  if [ -s "$file" ] && ! { [ -f "$stamp" ] && sha256sum --status -c "$stamp"; } 2>/dev/null; then
    daemon_options | cmp -s - "$file" ||
      fail 8 "$file was written by somebody else" "move its options away and run again: mv $file $file.before"
  fi
  if daemon_options | replace "$file" 0644; then changed=1; fi
  sha256sum "$file" >"$stamp"
  # The filter must stand before the first published port, so it is loaded before the daemon starts.
  if replace /etc/systemd/system/docker.service.d/foundation.conf 0644 <<'UNIT'; then changed=1; fi
[Service]
ExecStartPre=/usr/local/lib/foundation/firewall
UNIT
  if [ "$changed" = 1 ]; then
    systemctl daemon-reload
    systemctl restart docker || fail 9 "Docker does not start" "on the VM: journalctl -u docker -n 50"
  fi
  systemctl is-active --quiet docker || systemctl start docker ||
    fail 9 "Docker does not start" "on the VM: journalctl -u docker -n 50"
  systemctl is-enabled --quiet docker || systemctl enable --quiet docker
}

daemon_options() {
  cat <<'JSON'
{
  "live-restore": true,
  "userland-proxy": false,
  "no-new-privileges": true,
  "ip": "127.0.0.1",
  "log-driver": "json-file",
  "log-opts": { "max-size": "10m", "max-file": "3" }
}
JSON
}

# Many short SSH sessions at once are how containers are deployed; the defaults drop a quarter of them.
configure_sshd() {
  if replace /etc/ssh/sshd_config.d/10-foundation.conf 0644 <<'CONF'; then
MaxSessions 64
MaxStartups 64:30:128
CONF
    sshd -t || { rm -f /etc/ssh/sshd_config.d/10-foundation.conf; fail 9 "sshd refuses its new limits" "on the VM: sshd -t"; }
    systemctl reload ssh
  fi
}

configure_firewall() { # FORGE_SSH_PORT
  local reload=0
  if printf 'PORTS="80 443 %s"\n' "$1" | replace /etc/foundation/firewall.conf 0644; then reload=1; fi
  if ! sha256sum --status -c /var/lib/foundation/firewall.sha256 2>/dev/null; then reload=1; fi
  if [ "$reload" = 1 ]; then
    /usr/local/lib/foundation/firewall
    sha256sum /usr/local/lib/foundation/firewall >/var/lib/foundation/firewall.sha256
  fi
}

configure_log_rotation() {
  # Vault reopens its audit file on SIGHUP; an audit disk that fills up stops Vault.
  replace /etc/logrotate.d/foundation-vault 0644 <<'CONF' || true
/var/lib/docker/volumes/vault-logs/_data/audit.log {
  size 50M
  rotate 10
  compress
  delaycompress
  missingok
  notifempty
  su root root
  create 0600 100 1000
  postrotate
    docker kill --signal HUP vault >/dev/null 2>&1 || true
  endscript
}
CONF
}

main() {
  [ "$(id -u)" = 0 ] || fail 9 "not root" "give the SSH user password-less sudo"
  # Closed to every login of the VM: containers see only the directory that is mounted into them.
  install -d -m 0700 /etc/foundation
  install -d -m 0700 /var/lib/foundation
  configure_sshd
  install_packages
  configure_docker
  configure_firewall "$2"
  configure_log_rotation
  if [ "$1" != root ] && ! id -nG "$1" | grep -qw docker; then usermod -aG docker "$1"; fi
  echo ready
}
