#!/bin/sh
# Starts the server on DATA_DIRECTORY with OPTIONS, authenticated by PASSWORD_FILE unless DISABLE_AUTHENTICATION is set.
set -eu

if [ -n "${DISABLE_AUTHENTICATION:-}" ]; then
  OPTIONS="--no-auth ${OPTIONS:-}"
elif [ ! -f "$PASSWORD_FILE" ]; then
  : >"$PASSWORD_FILE"
  echo 'rest-server: no users yet; add one with: docker exec -it CONTAINER create_user NAME'
fi
# shellcheck disable=SC2086 # OPTIONS is a list of words
exec rest-server --path "$DATA_DIRECTORY" --htpasswd-file "$PASSWORD_FILE" ${OPTIONS:-}
