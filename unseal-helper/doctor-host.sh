#!/usr/bin/env bash
# What the doctor wants to know of the VM, as one line: "SECONDS LOGS% DATA%" (its clock, how full the file systems of
# Vault's audit log and data are). Changes nothing. Runs there as root, fed through ssh.
set -euo pipefail

percent() {
  local directory
  directory=$(docker volume inspect -f '{{.Mountpoint}}' "$1" 2>/dev/null) || { echo -1 && return; }
  df --output=pcent -- "$directory" | tail -n 1 | tr -dc '0-9'
}

main() {
  printf '%s %s %s\n' "$(date +%s)" "$(percent vault-logs)" "$(percent vault-data)"
}

main "$@" </dev/null
