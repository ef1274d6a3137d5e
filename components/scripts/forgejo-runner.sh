#!/usr/bin/env bash
# Makes the forge know the runner by its secret; safe to repeat. Argument: the ORGANISATION whose jobs it takes; without
# one it takes everybody's. Stdin: the secret.
set -euo pipefail

main() {
  local secret scope=()
  [ $# -eq 0 ] || scope=(--scope "$1")
  IFS= read -r secret
  # The forge takes all of stdin, a line end too; and its flag wants a value, which it ignores.
  printf '%s' "$secret" | docker exec -i -u 1000 forgejo forgejo forgejo-cli actions register \
    --name foundation "${scope[@]}" --labels foundation --secret-stdin=true >/dev/null
  echo registered
}

main "$@"
