#!/usr/bin/env bash
# Puts a service's files, secrets among them, into /etc/foundation/SERVICE: mode 0400, owned by the container's user.
# Arguments: SERVICE UID:GID. Stdin: one file a line, `NAME BASE64`. Files not named are removed.
set -euo pipefail
umask 077

main() {
  local directory=/etc/foundation/$1 owner=$2 name content kept="" file
  install -d -m 0500 -o "${owner%:*}" -g "${owner#*:}" "$directory"
  while read -r name content; do
    case $name in "" | */* | .*) printf 'install-files: not a file name: %s\nhint: report this\n' "$name" >&2; exit 64 ;; esac
    # Same directory, then rename: a reader sees the old or the new content, never a part of it.
    file=$(mktemp "$directory/.$name.XXXXXX")
    base64 -d <<<"$content" >"$file"
    chown "$owner" "$file"
    chmod 0400 "$file"
    mv -f "$file" "$directory/$name"
    kept="$kept $name "
  done
  for file in "$directory"/* "$directory"/.[!.]*; do
    [ -e "$file" ] || continue
    case $kept in *" ${file##*/} "*) ;; *) rm -f "$file" ;; esac
  done
  echo installed
}

main "$@"
