#!/usr/bin/env bash
# Creates the admin user, the organisation and the backup's account with its one repository, (re)sets passwords, and puts
# right what a restore cannot; safe to repeat.
# Arguments: ADMIN EMAIL ORGANISATION [ACCOUNT REPOSITORY]. Stdin: the admin's password, then the account's.
# The password goes through the API, because the command line's --password would show in the process list.
set -euo pipefail

API=http://127.0.0.1:3000/api/v1

forgejo() { docker exec -u 1000 forgejo forgejo "$@"; }

fail() { # MESSAGE
  printf 'forgejo: %s\nhint: on the VM: docker logs --tail 50 forgejo\n' "$1" >&2
  exit 1
}

# One API call. Arguments: METHOD PATH [JSON]; credentials as curl options in $AUTHORISATION. Prints the status.
call() {
  local data=()
  [ $# -lt 3 ] || data=("header = \"Content-Type: application/json\"" "data = \"${3//\"/\\\"}\"")
  printf '%s\n' "request = \"$1\"" "url = \"$API$2\"" "$AUTHORISATION" "${data[@]}" |
    docker exec -i forgejo curl --silent --show-error --max-time 60 --output /dev/null --write-out '%{http_code}' --config -
}

expect() { # ALLOWED... -- METHOD PATH [JSON]
  local allowed=() status
  while [ "$1" != -- ]; do allowed+=("$1"); shift; done
  shift
  status=$(call "$@")
  case " ${allowed[*]} " in *" $status "*) ;; *) fail "$1 $2 answered HTTP $status" ;; esac
}

# An account that sees and owns nothing but one private repository, and cannot get more.
ensure_backup_account() { # ACCOUNT REPOSITORY PASSWORD
  local account=$1 repository=$2 password=$3
  if [ "$(call GET "/users/$account")" = 404 ]; then
    expect 201 -- POST /admin/users \
      "{\"username\":\"$account\",\"email\":\"$account@noreply.invalid\",\"password\":\"$password\",\"must_change_password\":false,\"visibility\":\"private\"}"
  fi
  expect 200 -- PATCH "/admin/users/$account" \
    "{\"login_name\":\"$account\",\"source_id\":0,\"password\":\"$password\",\"must_change_password\":false,\"admin\":false,\"restricted\":true,\"max_repo_creation\":0,\"allow_create_organization\":false}"
  if [ "$(call GET "/repos/$account/$repository")" = 404 ]; then
    expect 201 -- POST "/admin/users/$account/repos" \
      "{\"name\":\"$repository\",\"private\":true,\"auto_init\":true,\"default_branch\":\"main\"}"
  fi
  # Who creates a repository watches it, and would be told of every backup.
  expect 204 -- DELETE "/repos/$account/$repository/subscription"
}

# Once after a restore: hooks name the paths of the forge that wrote them, and so does the list of SSH keys.
after_restore() {
  local seed=/var/lib/foundation/seed what
  if [ -e "$seed/forge-regenerated" ] || ! grep -qs '"mode": "restored"' "$seed/seed.json"; then return 0; fi
  for what in hooks keys; do forgejo admin regenerate "$what" >/dev/null || fail "cannot regenerate $what"; done
  touch "$seed/forge-regenerated"
}

main() {
  local admin=$1 email=$2 organisation=$3 account=${4:-} password backup_password=none token name
  IFS= read -r password
  [ -z "$account" ] || IFS= read -r backup_password
  [[ $password =~ ^[A-Za-z0-9]+$ && $backup_password =~ ^[A-Za-z0-9]+$ ]] || fail "password has unexpected characters"
  # Not grep -q: it ends at the first match, and what still writes into the pipe would fail.
  if ! forgejo admin user list --admin | awk 'NR > 1 { print $2 }' | grep -Fx -- "$admin" >/dev/null; then
    forgejo admin user create --admin --username "$admin" --email "$email" --random-password --must-change-password=false \
      >/dev/null || fail "cannot create the admin user $admin"
  fi
  name=foundation-$(date +%s)-$$
  token=$(forgejo admin user generate-access-token --username "$admin" --token-name "$name" --scopes all --raw | tail -n 1)
  [[ $token =~ ^[0-9a-f]{40}$ ]] || fail "no access token for $admin"
  AUTHORISATION="header = \"Authorization: token $token\""
  expect 200 -- PATCH "/admin/users/$admin" \
    "{\"login_name\":\"$admin\",\"source_id\":0,\"email\":\"$email\",\"password\":\"$password\",\"must_change_password\":false}"
  if [ "$(call GET "/orgs/$organisation")" = 404 ]; then
    expect 201 -- POST /orgs "{\"username\":\"$organisation\",\"visibility\":\"private\"}"
  fi
  [ -z "$account" ] || ensure_backup_account "$account" "$5" "$backup_password"
  AUTHORISATION="user = \"$admin:$password\""
  # With a second factor on the account, a password alone may not delete tokens: then the nameless token stays.
  expect 204 401 -- DELETE "/users/$admin/tokens/$name"
  after_restore
  echo ready
}

main "$@"
