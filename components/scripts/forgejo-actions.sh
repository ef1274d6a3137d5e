#!/usr/bin/env bash
# Gives the forge the actions that workflows name without a host: an organisation of repositories, each one action. They
# are ours: what else is on their branches is replaced. Safe to repeat; what is there already is not sent again.
# Argument: the ADMIN. Stdin: the admin's password, then the actions as `git fast-import` reads them.
set -euo pipefail

readonly organisation=actions

fail() { # MESSAGE
  printf 'actions: %s\nhint: on the VM: docker logs --tail 50 forgejo\n' "$1" >&2
  exit 1
}

# One API call as the admin: METHOD PATH STATUS... -- [JSON]; one of the statuses has to be the answer.
call() {
  local method=$1 path=$2 allowed="" answered
  shift 2
  while [ "$1" != -- ]; do allowed+=" $1"; shift; done
  answered=$(printf '%s\n' "request = \"$method\"" "url = \"http://127.0.0.1:3000/api/v1$path\"" "$AUTHORISATION" \
    'header = "Content-Type: application/json"' ${2:+"data = \"${2//\"/\\\"}\""} |
    docker exec -i forgejo curl --silent --show-error --max-time 60 --output /dev/null --write-out '%{http_code}' --config -)
  case "$allowed " in *" $answered "*) ;; *) fail "$method $path answered HTTP $answered" ;; esac
}

# In the forge's container: makes the repositories of the stream and pushes each. Stdin: user:password, then the stream.
# shellcheck disable=SC2016
readonly push='
set -euo pipefail
umask 077
directory=$(mktemp -d)
trap "rm -rf $directory" EXIT
export GIT_DIR=$directory/git
IFS= read -r login
printf "http://%s@127.0.0.1:3000\n" "$login" >"$directory/login"
git init --quiet --bare
git config credential.helper "store --file=$directory/login"
git fast-import --quiet
for action in $(git for-each-ref --format="%(refname:short)" refs/heads | grep -v @); do
  specs=("+refs/heads/$action:refs/heads/main")
  for ref in $(git for-each-ref --format="%(refname:short)" "refs/heads/$action@*"); do
    specs+=("+refs/heads/$ref:refs/heads/${ref#*@}")
  done
  git push --quiet "http://127.0.0.1:3000/$1/$action.git" "${specs[@]}"
done'

main() {
  local admin=$1 password name token stream action
  IFS= read -r password
  [[ $password =~ ^[A-Za-z0-9]+$ ]] || fail "password has unexpected characters"
  stream=$(cat; echo .)
  stream=${stream%.}
  name=foundation-actions-$(date +%s)-$$
  token=$(docker exec -u 1000 forgejo forgejo admin user generate-access-token --username "$admin" --token-name "$name" \
    --scopes all --raw | tail -n 1)
  [[ $token =~ ^[0-9a-f]{40}$ ]] || fail "no access token for $admin"
  AUTHORISATION="header = \"Authorization: token $token\""
  # 422 and 409: it is there.
  call POST /orgs 201 422 -- "{\"username\":\"$organisation\",\"visibility\":\"public\",\"repo_admin_change_team_access\":false}"
  sed -n 's#^commit refs/heads/##p' <<<"$stream" | while IFS= read -r action; do
    call POST "/orgs/$organisation/repos" 201 409 -- \
      "{\"name\":\"$action\",\"private\":false,\"default_branch\":\"main\",\"auto_init\":false}"
  done
  printf '%s\n%s' "$admin:$token" "$stream" | docker exec -i -u 1000 forgejo bash -c "$push" push "$organisation" ||
    fail "cannot push the actions"
  AUTHORISATION="user = \"$admin:$password\""
  # With a second factor on the account, a password alone may not delete tokens: then the nameless token stays.
  call DELETE "/users/$admin/tokens/$name" 204 401 --
  echo ready
}

main "$@"
