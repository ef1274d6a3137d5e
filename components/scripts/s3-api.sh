#!/usr/bin/env bash
# What scripts need to speak to the S3 server as its owner; they source this. It does nothing by itself.
# S3 is a standard and users of an S3 server are not: RustFS has the paths of MinIO's administration below its own prefix,
# versitygw, which can stand in its place, has some of its own. The server says by its answers which of them it is.
# shellcheck disable=SC2034,SC2154 # $access and $secret are set by those who source this, and $users is read by them

fail() { # MESSAGE
  printf 's3: %s\nhint: on the VM: docker logs --tail 50 rustfs\n' "$1" >&2
  exit 1
}

# One signed request. Arguments: METHOD PATH [BODY]. Leaves $status and $body.
# Options travel on stdin: a key in argv could be read by every user of the VM.
request() {
  local answer data=() digest
  [ $# -lt 3 ] || data=("data = \"${3//\"/\\\"}\"")
  # Not every curl that can sign says this by itself.
  digest=$(printf '%s' "${3:-}" | sha256sum | cut -d' ' -f1)
  answer=$(
    printf '%s\n' "$([ "$1" = HEAD ] && echo head || echo "request = \"$1\"")" \
      "url = \"http://127.0.0.1:9000$2\"" "user = \"$access:$secret\"" 'aws-sigv4 = "aws:amz:us-east-1:s3"' \
      "header = \"x-amz-content-sha256: $digest\"" 'header = "Content-Type: application/octet-stream"' "${data[@]}" 'write-out = "\n%{http_code}"' |
      docker exec -i rustfs curl --silent --show-error --max-time 30 --config -
  )
  status=${answer##*$'\n'}
  body=${answer%$'\n'*}
}

expect() { # ALLOWED... -- METHOD PATH [BODY]
  local allowed=()
  while [ "$1" != -- ]; do allowed+=("$1"); shift; done
  shift
  request "$@"
  # Without what follows a question mark: it may name a user.
  case " ${allowed[*]} " in *" $status "*) ;; *) fail "$1 ${2%%\?*} answered HTTP $status" ;; esac
}

# Creates a bucket if there is none.
ensure_bucket() { # BUCKET
  request PUT "/$1"
  case $status in
    200 | 204) ;;
    409)
      # It exists; made under former keys, it may count as somebody else's. What matters is that it can be used.
      request HEAD "/$1"
      [ "$status" = 200 ] || fail "cannot create bucket $1: HTTP 409"
      ;;
    *) fail "cannot create bucket $1: HTTP $status" ;;
  esac
}

# Leaves `rustfs`, `versitygw` or nothing in $server, and in $users the users that are consumers'.
find_users() {
  local pattern
  server="" users=""
  request GET /rustfs/admin/v3/list-users
  if [ "$status" = 200 ]; then
    server=rustfs pattern='"consumer-[a-z0-9-]+"[[:space:]]*:'
  else
    request PATCH /list-users
    [ "$status" = 200 ] || return 0
    server=versitygw pattern='<Access>consumer-[a-z0-9-]+<'
  fi
  users=$(grep -oE "$pattern" <<<"$body" | grep -oE 'consumer-[a-z0-9-]+' | sort -u || true)
}

remove_user() { # USER
  if [ "$server" = rustfs ]; then
    expect 200 204 404 -- DELETE "/rustfs/admin/v3/remove-user?accessKey=$1"
  else
    expect 200 204 404 -- PATCH "/delete-user?access=$1"
  fi
}
