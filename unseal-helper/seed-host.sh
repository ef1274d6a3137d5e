#!/usr/bin/env bash
# What stage 3 has restored of Vault on the VM; runs there as root, fed through ssh: bash -s -- read|send|remove
set -euo pipefail

readonly directory=/var/lib/foundation/seed

main() {
  case $1 in
    # Both or nothing: the one is of no use without the other.
    read) if [ -e "$directory/vault.snap" ] && [ -e "$directory/vault.json" ]; then cat "$directory/vault.json"; fi ;;
    send) cat "$directory/vault.snap" ;;
    remove) rm -f "$directory/vault.snap" ;;
  esac
}

main "$@" </dev/null
