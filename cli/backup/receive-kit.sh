#!/usr/bin/env bash
# Puts a kit into place on the VM or on the offsite. Runs as root; stdin: a tar archive; arguments: DIRECTORY MODE GROUP.
# File by file, because the directory itself is mounted into the backup's container.
set -euo pipefail
umask 077
directory=$1
if [ ! -d "${directory%/*}" ]; then
  printf 'kit: %s is missing\nhint: pulumi up\n' "${directory%/*}" >&2
  exit 7
fi
install -d -m "$2" -g "$3" "$directory"
new=$(mktemp -d "${directory%/*}/.kit.XXXXXX")
trap 'rm -rf "$new"' EXIT
tar -xf - --no-same-owner --no-same-permissions -C "$new"
chown "root:$3" "$new"/*
chmod 0640 "$new"/*
cd "$new"
for old in "$directory"/*; do
  [ -e "$old" ] || continue
  [ -e "${old##*/}" ] || rm -f "$old"
done
# The manifest last: it says what the others have to be.
for file in *; do
  [ "$file" = kit.json ] || mv -f "$file" "$directory/$file"
done
mv -f kit.json "$directory/kit.json"
