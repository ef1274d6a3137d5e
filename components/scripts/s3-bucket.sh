#!/usr/bin/env bash
# Creates the foundation's bucket if there is none, and removes the users of consumers that are not (any more) declared;
# what is in their buckets stays. Safe to repeat.
# Arguments: BUCKET [USER...], the users being every one that there is to be. Stdin: access key, secret key, a line each.
# Speaks with the curl of the S3 server's own image.
set -euo pipefail
# shellcheck source=components/scripts/s3-api.sh
. "${BASH_SOURCE[0]/s3-bucket/s3-api}"

main() {
  local bucket=$1 access secret user
  shift
  IFS= read -r access
  IFS= read -r secret
  ensure_bucket "$bucket"
  find_users
  for user in $users; do
    case " $* " in *" $user "*) ;; *) remove_user "$user" ;; esac
  done
  echo ready
}

main "$@"
