#!/usr/bin/env bash
# Makes the forge know the runner by its secret; safe to repeat. Argument: ORGANISATION. Stdin: the secret.
set -euo pipefail

main() {
  docker exec -i -u 1000 forgejo forgejo forgejo-cli actions register \
    --name foundation --scope "$1" --labels host --secret-stdin >/dev/null
  echo registered
}

main "$@"
