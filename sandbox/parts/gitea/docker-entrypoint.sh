#!/usr/bin/env bash
# Prepares the directories, then starts the forge, or runs what it is given.
set -euo pipefail

/usr/local/bin/docker-setup.sh

if [[ $# -gt 0 ]]; then exec "$@"; fi
exec /usr/local/bin/gitea web
