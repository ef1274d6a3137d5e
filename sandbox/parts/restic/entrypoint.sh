#!/bin/sh
# restic at the CPU and disk priority that IONICE_CLASS, IONICE_PRIORITY and NICE ask for.
set -eu

set -- /usr/bin/restic "$@"
if [ -n "${NICE:-}" ]; then set -- nice -n "$NICE" "$@"; fi
if [ -n "${IONICE_CLASS:-}" ]; then set -- ionice -c "$IONICE_CLASS" -n "${IONICE_PRIORITY:-4}" "$@"; fi
exec "$@"
