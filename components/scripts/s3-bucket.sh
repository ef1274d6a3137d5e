#!/usr/bin/env bash
# Creates a bucket if there is none; safe to repeat. Argument: BUCKET. Stdin: access key, secret key, a line each.
# Speaks plain S3 with the curl of the S3 server's own image, so it works with any server behind that address.
set -euo pipefail

# One signed request for the bucket; prints the answer and its status in the last line. Arguments: METHOD BUCKET.
# Options travel on stdin: a key in argv could be read by every user of the VM.
request() {
  docker exec -i rustfs curl --silent --show-error --max-time 30 --config - <<CONFIG
$([ "$1" = HEAD ] && echo head || echo "request = \"$1\"")
url = "http://127.0.0.1:9000/$2"
user = "$access:$secret"
aws-sigv4 = "aws:amz:us-east-1:s3"
write-out = "\n%{http_code}"
CONFIG
}

main() {
  local bucket=$1 access secret answer status
  IFS= read -r access
  IFS= read -r secret
  answer=$(request PUT "$bucket")
  status=${answer##*$'\n'}
  case $status in
    200 | 204) echo created ;;
    409)
      # It exists; made under former keys, it may count as somebody else's. What matters is that it can be used.
      answer=$(request HEAD "$bucket")
      [ "${answer##*$'\n'}" = 200 ] || refuse "$bucket" "$status"
      echo exists
      ;;
    *) refuse "$bucket" "$status" ;;
  esac
}

refuse() { # BUCKET STATUS
  printf 's3: cannot create bucket %s: HTTP %s\nhint: on the VM: docker logs --tail 50 rustfs\n' "$1" "$2" >&2
  exit 1
}

main "$@"
