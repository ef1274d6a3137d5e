#!/usr/bin/env bash
# Prepares the VM: Docker from the distribution, its daemon options, sshd limits, the firewall, directories.
# Idempotent: a second run changes nothing and restarts nothing. Runs as root, fed through stdin.
# Arguments: SSH_USER FORGE_SSH_PORT
set -euo pipefail

readonly packages_log=/run/foundation-packages.log

fail() { # CODE MESSAGE HINT
  printf '%s: %s\nhint: %s\n' "${where:-host}" "$2" "$3" >&2
  exit "$1"
}

# Replaces FILE by stdin if it differs.
replace() { # FILE MODE
  local new
  mkdir -p "$(dirname "$1")"
  new=$(mktemp "$1.XXXXXX")
  cat >"$new"
  if cmp -s "$new" "$1"; then
    rm -f "$new"
    return
  fi
  chmod "$2" "$new"
  mv -f "$new" "$1"
}

# Whether the files are as they were when they last took effect. A run that was killed between writing a file and
# telling the daemon is made up for in this way.
is_applied() { # NAME
  sha256sum --status -c "/var/lib/foundation/$1.sha256" 2>/dev/null
}

applied() { # NAME FILE...
  sha256sum "${@:2}" >"/var/lib/foundation/$1.sha256"
}

# Installs in a process of its own, which goes on when the connection breaks: dpkg that is killed halfway refuses every
# later installation. Its lock goes with it, so a later run waits for its end.
apart() { # COMMAND...
  flock /run/foundation-packages.lock setsid --wait "$@" >"$packages_log" 2>&1 </dev/null
}

# Waits for another program that installs something: a fresh VM often begins with updating itself.
patiently() { # COMMAND...
  until apart "$@"; do
    if ! grep -qw lock "$packages_log" || [ "$SECONDS" -gt 300 ]; then
      tail -n 3 "$packages_log" >&2
      return 1
    fi
    sleep 3
  done
}

install_packages() {
  local missing=() package
  export DEBIAN_FRONTEND=noninteractive
  # A VM that was reset in the middle of an installation has a package that is there and does not work.
  [ -z "$(dpkg --audit)" ] || patiently dpkg --configure -a ||
    fail 9 "an interrupted installation cannot be finished" "on the VM: dpkg --configure -a"
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
  patiently apt-get -qq update || fail 9 "apt-get update failed" "look at the package sources of the VM: apt-get update"
  if ! apt-cache show docker-cli >/dev/null 2>&1; then
    local available=()
    for package in "${missing[@]}"; do [ "$package" = docker-cli ] || available+=("$package"); done
    missing=("${available[@]}")
  fi
  patiently apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends install "${missing[@]}" ||
    fail 9 "cannot install ${missing[*]}" "on the VM: apt-get install ${missing[*]}"
}

configure_docker() {
  local file=/etc/docker/daemon.json unit=/etc/systemd/system/docker.service.d/foundation.conf
  # A daemon.json that somebody else wrote says things we must not silently drop.
  if [ -s "$file" ] && ! grep -qxF "$(sha256sum "$file")" /var/lib/foundation/docker.sha256 2>/dev/null; then
    daemon_options | cmp -s - "$file" ||
      fail 8 "$file was written by somebody else" "move its options away and run again: mv $file $file.before"
  fi
  daemon_options | replace "$file" 0644
  # The filter must stand before the first published port, so it is loaded before the daemon starts.
  replace "$unit" 0644 <<'UNIT'
[Service]
ExecStartPre=/usr/local/lib/foundation/firewall
UNIT
  if ! is_applied docker; then
    systemctl daemon-reload
    # Earlier failures count against the start limit, and would be held against this start too.
    systemctl reset-failed docker docker.socket 2>/dev/null || true
    systemctl restart docker || fail 9 "Docker does not start" "on the VM: journalctl -u docker -n 50"
    applied docker "$file" "$unit"
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
  local file=/etc/ssh/sshd_config.d/10-foundation.conf
  replace "$file" 0644 <<'CONF'
MaxSessions 64
MaxStartups 64:30:128
CONF
  if ! is_applied sshd; then
    sshd -t || { rm -f "$file"; fail 9 "sshd refuses its new limits" "on the VM: sshd -t"; }
    systemctl reload ssh
    applied sshd "$file"
  fi
}

configure_firewall() { # FORGE_SSH_PORT
  local file=/etc/foundation/firewall.conf
  printf 'PORTS="80 443 %s"\n' "$1" | replace "$file" 0644
  if ! is_applied firewall; then
    /usr/local/lib/foundation/firewall
    applied firewall "$file" /usr/local/lib/foundation/firewall
  fi
}

configure_log_rotation() {
  # An audit disk that fills up stops Vault. On SIGHUP it opens its audit file anew, and creates it: logrotate cannot,
  # it knows owners only by name. Not `docker kill`: whatever the signal, Docker takes that for a manual stop, and the
  # container would not come back after a crash or a reboot.
  replace /etc/logrotate.d/foundation-vault 0644 <<'CONF'
/var/lib/docker/volumes/vault-logs/_data/audit.log {
  size 50M
  rotate 10
  compress
  delaycompress
  missingok
  notifempty
  su root root
  nocreate
  postrotate
    pid=$(docker inspect --format '{{.State.Pid}}' vault 2>/dev/null) && [ "$pid" -gt 0 ] && kill -HUP "$pid" || true
  endscript
}
CONF
}

# Here and not in a container: none of them may run anything in another one.
configure_git_gc() {
  local unit=/etc/systemd/system/foundation-git-gc
  replace "$unit.service" 0644 <<'UNIT'
[Unit]
Description=Pack the repositories of the forge while no backup reads them

[Service]
Type=oneshot
ExecStart=/usr/local/lib/foundation/forgejo-gc
UNIT
  replace "$unit.timer" 0644 <<'UNIT'
[Unit]
Description=Pack the repositories of the forge every night

[Timer]
OnCalendar=*-*-* 03:30:00
RandomizedDelaySec=15min

[Install]
WantedBy=timers.target
UNIT
  if ! is_applied git-gc; then
    systemctl daemon-reload
    systemctl enable --quiet --now foundation-git-gc.timer ||
      fail 9 "the timer of git gc does not start" "on the VM: systemctl status foundation-git-gc.timer"
    applied git-gc "$unit.service" "$unit.timer"
  fi
}

# Tells this VM from the one that was here before it and the one that may come after it.
create_id() {
  [ -s /etc/foundation/vm-id ] || head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' | replace /etc/foundation/vm-id 0600
}

main() {
  [ "$(id -u)" = 0 ] || fail 9 "not root" "give the SSH user password-less sudo"
  # Closed to every login of the VM: containers see only the directory that is mounted into them.
  install -d -m 0700 /etc/foundation
  install -d -m 0700 /var/lib/foundation /var/lib/foundation/seed
  # Read by the backup, which runs as 1000.
  install -d -m 0750 -o 0 -g 1000 /var/lib/foundation/kit
  create_id
  configure_sshd
  install_packages
  configure_docker
  configure_firewall "$2"
  configure_log_rotation
  configure_git_gc
  if [ "$1" != root ] && ! id -nG "$1" | grep -qw docker; then usermod -aG docker "$1"; fi
  echo ready
}
