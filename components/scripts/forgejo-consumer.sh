#!/usr/bin/env bash
# Gives a consumer its organisation with repositories and webhooks, and an account that belongs to nothing else; safe to
# repeat. Arguments: ADMIN ROBOT ORGANISATION read|write [REPOSITORY...].
# Stdin: the admin's password; then what webhooks are signed with, then a line per webhook: REPOSITORY|- EVENT,... URL.
set -euo pipefail
# shellcheck source=components/scripts/forgejo-api.sh
. "${BASH_SOURCE[0]/forgejo-consumer/forgejo-api}"

readonly TEAM=robots

# An account that nobody logs in as: its password is drawn here and forgotten; forgejo-token draws another one.
ensure_robot() { # ROBOT ORGANISATION
  local robot=$1 email=$2@$CONSUMERS password
  call GET "/users/$robot"
  if [ "$status" = 404 ]; then
    password=$(head -c 32 /dev/urandom | sha256sum | cut -d' ' -f1)
    expect 201 -- POST /admin/users \
      "{\"username\":\"$robot\",\"email\":\"$email\",\"password\":\"$password\",\"must_change_password\":false,\"visibility\":\"private\"}"
  elif ! forgejo admin user list | awk -v name="$robot" -v email="$email" 'NR > 1 && $2 == name && $3 == email' | grep . >/dev/null; then
    fail "the account $robot is somebody else's"
  fi
  expect 200 -- PATCH "/admin/users/$robot" \
    "{\"login_name\":\"$robot\",\"source_id\":0,\"admin\":false,\"restricted\":true,\"max_repo_creation\":0,\"allow_create_organization\":false}"
}

# The team that sees what is in the organisation and decides nothing about it.
ensure_team() { # ORGANISATION ROBOT ACCESS
  local units="" unit id
  for unit in code issues pulls releases packages; do units="$units,\"repo.$unit\":\"$3\""; done
  local wanted="{\"name\":\"$TEAM\",\"permission\":\"$3\",\"includes_all_repositories\":true,\"can_create_org_repo\":false,\"units_map\":{${units#,}}}"
  expect 200 -- GET "/orgs/$1/teams?limit=50"
  id=$(grep -oE "\"id\":[0-9]+,\"name\":\"$TEAM\"" <<<"$body" | grep -oE '[0-9]+' | head -n 1 || true)
  if [ -z "$id" ]; then
    expect 201 -- POST "/orgs/$1/teams" "$wanted"
    id=$(grep -oE '"id":[0-9]+' <<<"$body" | head -n 1 | cut -d: -f2)
  else
    expect 200 -- PATCH "/teams/$id" "$wanted"
  fi
  expect 204 -- PUT "/teams/$id/members/$2"
}

# Exactly the declared ones: all are made anew, because the forge tells nobody what it signs with.
ensure_hooks() { # ORGANISATION SECRET; reads lines
  local repository events url place
  remove_hooks "$1"
  while read -r repository events url; do
    place=/orgs/$1
    [ "$repository" = - ] || place=/repos/$1/$repository
    expect 201 -- POST "$place/hooks" \
      "{\"type\":\"gitea\",\"active\":true,\"events\":[\"${events//,/\",\"}\"],\"config\":{\"url\":\"$url\",\"content_type\":\"json\",\"secret\":\"$2\"}}"
  done
}

main() {
  local admin=$1 robot=$2 organisation=$3 access=$4 password secret="" repository
  shift 4
  IFS= read -r password
  IFS= read -r secret || true
  [[ $password =~ ^[A-Za-z0-9]+$ && $secret =~ ^[A-Za-z0-9]*$ ]] || fail "password has unexpected characters"
  log_in "$admin"
  call GET "/orgs/$organisation"
  if [ "$status" = 404 ]; then
    expect 201 -- POST /orgs "{\"username\":\"$organisation\",\"visibility\":\"private\"}"
  fi
  ensure_robot "$robot" "$organisation"
  ensure_team "$organisation" "$robot" "$access"
  for repository in "$@"; do
    call GET "/repos/$organisation/$repository"
    [ "$status" != 404 ] ||
      expect 201 -- POST "/orgs/$organisation/repos" "{\"name\":\"$repository\",\"private\":true,\"default_branch\":\"main\"}"
  done
  ensure_hooks "$organisation" "$secret"
  log_out "$admin" "$password"
  echo ready
}

main "$@"
