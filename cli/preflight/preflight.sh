#!/usr/bin/env bash
# Prints facts about the VM as `name=value` lines and changes nothing. Fed to `bash -s -- PORT…` over SSH, so it needs no file
# on the VM and no tool beyond a bare Debian's coreutils, awk and findutils; Docker may be absent. What the facts mean is judged
# in findings.ts.
set -uo pipefail
export LC_ALL=C

facts() {
  operating_system
  awk '$1 == "MemTotal:" { print "memory_kib=" $2 }' /proc/meminfo
  # Docker's directory may be a disk of its own
  df -Pk "$([ -d /var/lib/docker ] && echo /var/lib/docker || echo /var/lib)" |
    awk 'NR == 2 { print "disk_free_kib=" $4; print "disk_mount=" $6 }'
  listeners "$@"
  docker_objects
  # last, so that the caller knows that nothing was cut off
  echo "clock=$(date +%s.%N)"
}

operating_system() (
  # shellcheck source=/dev/null
  . /etc/os-release
  echo "os_id=${ID:-}"
  echo "os_version=${VERSION_ID:-}"
  echo "os_name=${PRETTY_NAME:-}"
)

# Who listens on the ports in question: from /proc, because `ss` is not on every minimal image.
listeners() {
  local hexadecimal inode port
  while read -r hexadecimal inode; do
    port=$((16#$hexadecimal))
    case " $* " in
      *" $port "*) echo "listener=$port|$(process_of "$inode")" ;;
    esac
  done < <(awk '$4 == "0A" { n = split($2, address, ":"); print address[n], $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
}

process_of() {
  local descriptor
  descriptor=$(find /proc/[0-9]*/fd -lname "socket:\[$1\]" -print -quit 2>/dev/null)
  if [ -n "$descriptor" ]; then cat "${descriptor%/fd/*}/comm" 2>/dev/null; fi
}

docker_objects() {
  local version
  if ! command -v docker >/dev/null; then
    echo "docker=absent"
    return
  fi
  if ! version=$(timeout 20 docker version --format '{{.Server.Version}}' 2>/dev/null); then
    echo "docker=silent"
    return
  fi
  echo "docker=$version"
  docker ps --all --format 'container={{.Names}}|{{.Label "foundation.owner"}}|{{.Ports}}'
  docker volume ls --format 'volume={{.Name}}|{{.Label "foundation.owner"}}'
  docker network ls --format 'network={{.Name}}|{{.Label "foundation.owner"}}'
}

main() {
  if [ "$(id -u)" -eq 0 ]; then
    facts "$@"
  elif sudo -n true 2>/dev/null; then
    # standard input is this script, so the root shell is handed the functions instead
    sudo -n bash -c "export LC_ALL=C; $(declare -f); facts \"\$@\"" preflight "$@"
  else
    echo "root=no"
    echo "user=$(id -un)"
  fi
}

main "$@" </dev/null
