#!/usr/bin/env bash
# The second host, on which the backups are kept.
set -euo pipefail
