#!/bin/sh
# Makes missing data directories and never changes the owner of those that are there.
set -eu

case "${1:-rustfs}" in -*) set -- rustfs "$@" ;; esac

if [ "${1:-rustfs}" = rustfs ]; then
  for volume in ${RUSTFS_VOLUMES:-/data}; do mkdir -p "$volume"; done
fi
exec "${@:-rustfs}"
