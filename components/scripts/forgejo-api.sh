#!/usr/bin/env bash
# What scripts need to speak to the forge as its administrator; they source this. It does nothing by itself.
# Credentials travel on standard input of curl, never in argv.
# shellcheck disable=SC2034 # $body is for those who source this

API=http://127.0.0.1:3000/api/v1
# What shows that an account is a consumer's: its address is that of its organisation here.
# shellcheck disable=SC2034
CONSUMERS=consumers.invalid

# docker exec, and again where Docker could not start the command: exit code 126, with the reason on standard output.
in_container() { # INPUT ARGUMENT...
  local input=$1 output code attempt
  shift
  for attempt in 1 2 3; do
    code=0
    output=$(docker exec -i "$@" <<<"$input") || code=$?
    [ "$code" = 126 ] || break
    printf 'forgejo: attempt %s: %s\n' "$attempt" "$output" >&2
    sleep 2
  done
  [ -z "$output" ] || printf '%s\n' "$output"
  return "$code"
}

forgejo() { in_container "" -u 1000 forgejo forgejo "$@"; }

fail() { # MESSAGE
  printf 'forgejo: %s\nhint: on the VM: docker logs --tail 50 forgejo\n' "$1" >&2
  exit 1
}

# One API call. Arguments: METHOD PATH [JSON]; credentials as curl options in $AUTHORISATION. Leaves $status and $body.
call() {
  local data=() answer
  [ $# -lt 3 ] || data=("header = \"Content-Type: application/json\"" "data = \"${3//\"/\\\"}\"")
  data+=("request = \"$1\"" "url = \"$API$2\"" "$AUTHORISATION")
  answer=$(in_container "$(printf '%s\n' "${data[@]}")" \
    forgejo curl --silent --show-error --max-time 60 --write-out '\n%{http_code}' --config -)
  status=${answer##*$'\n'}
  body=${answer%$'\n'*}
}

expect() { # ALLOWED... -- METHOD PATH [JSON]
  local allowed=()
  while [ "$1" != -- ]; do allowed+=("$1"); shift; done
  shift
  call "$@"
  case " ${allowed[*]} " in *" $status "*) ;; *) fail "$1 $2 answered HTTP $status" ;; esac
}

# Logs in as an administrator with a token of a minute: a password alone is not enough for an account with a second factor.
log_in() { # ADMIN
  local token
  token_name=foundation-$(date +%s)-$$
  token=$(forgejo admin user generate-access-token --username "$1" --token-name "$token_name" --scopes all --raw | tail -n 1)
  [[ $token =~ ^[0-9a-f]{40}$ ]] || fail "no access token for $1"
  AUTHORISATION="header = \"Authorization: token $token\""
}

log_out() { # ADMIN PASSWORD
  AUTHORISATION="user = \"$1:$2\""
  # With a second factor on the account, a password alone may not delete tokens: then the nameless token stays.
  expect 204 401 -- DELETE "/users/$1/tokens/$token_name"
}

repositories_of() { # ORGANISATION
  local page=1 found
  while :; do
    expect 200 -- GET "/orgs/$1/repos?limit=50&page=$page"
    found=$(grep -o "\"full_name\":\"$1/[^\"]*\"" <<<"$body" | cut -d'"' -f4 | sort -u || true)
    [ -n "$found" ] || return 0
    printf '%s\n' "$found"
    page=$((page + 1))
  done
}

# Deletes every webhook of an organisation and of its repositories.
remove_hooks() { # ORGANISATION
  local place id
  for place in "/orgs/$1" $(repositories_of "$1" | sed 's,^,/repos/,'); do
    expect 200 -- GET "$place/hooks?limit=50"
    for id in $(grep -oE '"id":[0-9]+' <<<"$body" | cut -d: -f2 || true); do expect 204 404 -- DELETE "$place/hooks/$id"; done
  done
}
