#!/usr/bin/dumb-init /bin/sh
# shellcheck shell=sh
# Lets `docker run IMAGE server` mean `vault server -config=/vault/config`, and takes configuration from the environment.
set -e

if [ -n "$VAULT_LOCAL_CONFIG" ]; then printf '%s' "$VAULT_LOCAL_CONFIG" >/vault/config/local.json; fi

case "$1" in
  -*) set -- vault "$@" ;;
  server)
    shift
    set -- vault server -config=/vault/config \
      -dev-root-token-id="$VAULT_DEV_ROOT_TOKEN_ID" \
      -dev-listen-address="${VAULT_DEV_LISTEN_ADDRESS:-0.0.0.0:8200}" "$@"
    ;;
  version) set -- vault "$@" ;;
  *) if vault "$1" -help 2>&1 | grep -q "^Usage: vault $1"; then set -- vault "$@"; fi ;;
esac

exec "$@"
