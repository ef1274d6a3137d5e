#!/usr/bin/env bash
# Gives a consumer a user of the S3 server that may use its own buckets and nothing else; safe to repeat.
# Arguments: USER BUCKET[:BYTES]..., a number of bytes being the quota. Stdin: the owner's access key and secret key, the
# user's secret key, a line each.
set -euo pipefail
# shellcheck source=components/scripts/s3-api.sh
. "${BASH_SOURCE[0]/s3-consumer/s3-api}"

readonly OF_BUCKET='"s3:GetBucketLocation","s3:ListBucket","s3:ListBucketMultipartUploads"'
readonly OF_OBJECTS='"s3:AbortMultipartUpload","s3:DeleteObject","s3:GetObject","s3:ListMultipartUploadParts","s3:PutObject"'

# A policy about buckets. Arguments: PRINCIPAL (may be empty) BUCKET...
policy() {
  local principal=$1 name buckets="" objects=""
  shift
  for name in "$@"; do
    buckets="$buckets,\"arn:aws:s3:::$name\""
    objects="$objects,\"arn:aws:s3:::$name/*\""
  done
  printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow",%s"Action":[%s],"Resource":[%s]},{"Effect":"Allow",%s"Action":[%s],"Resource":[%s]}]}' \
    "$principal" "$OF_BUCKET" "${buckets#,}" "$principal" "$OF_OBJECTS" "${objects#,}"
}

# The user, and the one policy that says everything it may.
grant_rustfs() { # USER KEY BUCKET[:BYTES]...
  local user=$1 key=$2 admin=/rustfs/admin/v3 each
  shift 2
  expect 200 -- PUT "$admin/add-user?accessKey=$user" "{\"secretKey\":\"$key\",\"status\":\"enabled\"}"
  expect 200 -- PUT "$admin/add-canned-policy?name=$user" "$(policy "" "${@%%:*}")"
  expect 200 -- PUT "$admin/set-user-or-group-policy?isGroup=false&policyName=$user&userOrGroup=$user"
  for each in "$@"; do
    case $each in
      *:*) expect 200 -- PUT "$admin/quota/${each%:*}" "{\"quota\":${each#*:}}" ;;
      *) expect 200 -- PUT "$admin/quota/$each" "{}" ;;
    esac
  done
}

# The user, a policy on each of its buckets, and none on any other. There are no quotas.
grant_versitygw() { # USER KEY BUCKET[:BYTES]...
  local user=$1 key=$2 each there
  shift 2
  request PATCH /create-user "<Account><Access>$user</Access><Secret>$key</Secret><Role>user</Role></Account>"
  case $status in
    200 | 201) ;;
    409) expect 200 -- PATCH "/update-user?access=$user" "<MutableProps><Secret>$key</Secret><Role>user</Role></MutableProps>" ;;
    *) fail "cannot create the user $user: HTTP $status" ;;
  esac
  for each in "${@%%:*}"; do expect 200 204 -- PUT "/$each?policy=" "$(policy "\"Principal\":{\"AWS\":[\"$user\"]}," "$each")"; done
  expect 200 -- GET /
  there=$(grep -oE '<Name>[^<]+' <<<"$body" | cut -c7-)
  for each in $there; do
    case " ${*%%:*} " in *" $each "*) continue ;; esac
    request GET "/$each?policy="
    case $body in *"\"$user\""*) expect 200 204 -- DELETE "/$each?policy=" ;; esac
  done
  case $* in *:*) echo "without quota: this server has none" ;; esac
}

main() {
  local user=$1 access secret key bucket
  shift
  IFS= read -r access
  IFS= read -r secret
  IFS= read -r key
  [[ $key =~ ^[A-Za-z0-9]+$ ]] || fail "key has unexpected characters"
  for bucket in "${@%%:*}"; do ensure_bucket "$bucket"; done
  find_users
  case $server in
    rustfs | versitygw) "grant_$server" "$user" "$key" "$@" ;;
    *) fail "the server has no users that are known here, so a consumer cannot be kept to its own buckets" ;;
  esac
  echo ready
}

main "$@"
