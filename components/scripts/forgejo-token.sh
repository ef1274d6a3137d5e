#!/usr/bin/env bash
# Issues an access token to a consumer's account and prints it. Arguments: ADMIN ROBOT read|write ROTATION. Stdin: the
# admin's password. Tokens of other rotations are worth nothing afterwards. Of the same rotation, the one before stays: a
# rebuild that has lost its state asks for a new one, and who has the old one goes on.
set -euo pipefail
# shellcheck source=components/scripts/forgejo-api.sh
. "${BASH_SOURCE[0]/forgejo-token/forgejo-api}"

main() {
  local admin=$1 robot=$2 access=$3 rotation=$4 password own token name names kept
  IFS= read -r password
  [[ $password =~ ^[A-Za-z0-9]+$ ]] || fail "password has unexpected characters"
  own=$(head -c 32 /dev/urandom | sha256sum | cut -d' ' -f1)
  log_in "$admin"
  expect 200 -- PATCH "/admin/users/$robot" \
    "{\"login_name\":\"$robot\",\"source_id\":0,\"password\":\"$own\",\"must_change_password\":false}"
  log_out "$admin" "$password"
  AUTHORISATION="user = \"$robot:$own\""
  expect 200 -- GET "/users/$robot/tokens?limit=50"
  names=$(grep -oE '"name":"[^"]*"' <<<"$body" | cut -d'"' -f4 || true)
  name=foundation-$rotation-$(date +%s%N)
  expect 201 -- POST "/users/$robot/tokens" "{\"name\":\"$name\",\"scopes\":[\"$access:package\",\"$access:repository\"]}"
  token=$(grep -oE '"sha1":"[0-9a-f]{40}"' <<<"$body" | cut -d'"' -f4 || true)
  [[ $token =~ ^[0-9a-f]{40}$ ]] || fail "no access token for $robot"
  kept=$(grep -E "^foundation-$rotation-[0-9]+$" <<<"$names" | sort | tail -n 1 || true)
  for name in $names; do
    [ "$name" = "$kept" ] || expect 204 404 -- DELETE "/users/$robot/tokens/$name"
  done
  echo "$token"
}

main "$@"
