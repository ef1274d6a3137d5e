#!/usr/bin/env bash
# Creates the admin user, the organisation and the backup's account with its one repository, (re)sets passwords, takes the
# accounts of former consumers away, and puts right what a restore cannot; safe to repeat.
# Arguments: ADMIN EMAIL ORGANISATION [ACCOUNT REPOSITORY] [-- ROBOT:ORGANISATION...], the last being every consumer that
# there is to be. Stdin: the admin's password, then the account's.
# The password goes through the API, because the command line's --password would show in the process list.
set -euo pipefail
# shellcheck source=components/scripts/forgejo-api.sh
. "${BASH_SOURCE[0]/forgejo-admin/forgejo-api}"

# An account that sees and owns nothing but one private repository, and cannot get more.
ensure_backup_account() { # ACCOUNT REPOSITORY PASSWORD
  local account=$1 repository=$2 password=$3
  call GET "/users/$account"
  if [ "$status" = 404 ]; then
    expect 201 -- POST /admin/users \
      "{\"username\":\"$account\",\"email\":\"$account@noreply.invalid\",\"password\":\"$password\",\"must_change_password\":false,\"visibility\":\"private\"}"
  fi
  expect 200 -- PATCH "/admin/users/$account" \
    "{\"login_name\":\"$account\",\"source_id\":0,\"password\":\"$password\",\"must_change_password\":false,\"admin\":false,\"restricted\":true,\"max_repo_creation\":0,\"allow_create_organization\":false}"
  call GET "/repos/$account/$repository"
  if [ "$status" = 404 ]; then
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

# Whoever is a consumer's robot and is not (any more) declared with this organisation: its tokens go with it, and so do
# the webhooks. What is in the organisation stays.
remove_former_consumers() { # ROBOT:ORGANISATION...
  local robot organisation
  while read -r robot organisation; do
    case " $* " in *" $robot:$organisation "*) continue ;; esac
    call GET "/orgs/$organisation"
    if [ "$status" != 404 ]; then
      remove_hooks "$organisation"
      expect 204 404 -- DELETE "/orgs/$organisation/members/$robot"
    fi
    expect 204 -- DELETE "/admin/users/$robot?purge=false"
    echo "removed $robot"
  done < <(forgejo admin user list | awk -v at="@$CONSUMERS" 'NR > 1 && index($3, at) { sub(at, "", $3); print $2, $3 }')
}

main() {
  local admin=$1 email=$2 organisation=$3 account="" repository="" password backup_password=none
  shift 3
  if [ $# -gt 0 ] && [ "$1" != -- ]; then account=$1 repository=$2; shift 2; fi
  [ $# -eq 0 ] || shift
  IFS= read -r password
  [ -z "$account" ] || IFS= read -r backup_password
  [[ $password =~ ^[A-Za-z0-9]+$ && $backup_password =~ ^[A-Za-z0-9]+$ ]] || fail "password has unexpected characters"
  # Not grep -q: it ends at the first match, and what still writes into the pipe would fail.
  if ! forgejo admin user list --admin | awk 'NR > 1 { print $2 }' | grep -Fx -- "$admin" >/dev/null; then
    forgejo admin user create --admin --username "$admin" --email "$email" --random-password --must-change-password=false \
      >/dev/null || fail "cannot create the admin user $admin"
  fi
  log_in "$admin"
  expect 200 -- PATCH "/admin/users/$admin" \
    "{\"login_name\":\"$admin\",\"source_id\":0,\"email\":\"$email\",\"password\":\"$password\",\"must_change_password\":false}"
  call GET "/orgs/$organisation"
  if [ "$status" = 404 ]; then
    expect 201 -- POST /orgs "{\"username\":\"$organisation\",\"visibility\":\"private\"}"
  fi
  [ -z "$account" ] || ensure_backup_account "$account" "$repository" "$backup_password"
  remove_former_consumers "$@"
  log_out "$admin" "$password"
  after_restore
  echo ready
}

main "$@"
