#!/usr/bin/env bash
# Takes files of a backup in on another host, into a directory of its own: beside it first, so that it is whole or not there.
# Runs as whoever logs in; needs bash, tar and df. Arguments: COMMAND DIRECTORY [BYTES].
#   check     whether the directory is free, and has room for so many bytes; changes nothing
#   receive   stdin: a tar archive
#   finish    puts what was received in its place
#   discard   removes it again
set -euo pipefail
umask 077

fail() { # CODE MESSAGE HINT
  printf 'restore: %s\nhint: %s\n' "$2" "$3" >&2
  exit "$1"
}

check() { # BYTES
  local existing=$directory free
  if [ -e "$directory" ] && { [ ! -d "$directory" ] || [ -n "$(ls -A "$directory")" ]; }; then
    fail 8 "$directory on $(hostname) is not empty" "--into DIR: a directory that is empty, or does not exist"
  fi
  command -v tar >/dev/null || fail 9 "there is no tar on $(hostname)" "apt-get install tar (there)"
  while [ ! -d "$existing" ]; do existing=$(dirname "$existing"); done
  [ -w "$existing" ] || fail 9 "$(id -un) may not write to $existing on $(hostname)" "another --into DIR, or another user"
  free=$(df -B1 --output=avail "$existing" | tail -n 1)
  [ "$free" -ge "$1" ] ||
    fail 9 "$((free / 1048576)) MiB free on $(hostname), $(($1 / 1048576)) MiB are needed" "another --into DIR; df -h (there)"
}

receive() {
  check 0
  rm -rf "$part"
  mkdir -p "$part"
  tar -xf - --no-same-owner -C "$part" || fail 1 "what was sent cannot be unpacked on $(hostname)" "run the command again"
}

finish() {
  check 0
  if [ -d "$directory" ]; then rmdir "$directory"; fi
  mv "$part" "$directory"
}

discard() { rm -rf "$part"; }

main() { # COMMAND DIRECTORY [BYTES]
  directory=${2%/}
  part=$directory.foundation-part
  case $1 in
    check) check "${3:-0}" ;;
    receive | finish | discard) "$1" ;;
    *) fail 64 "unknown command $1" "report this" ;;
  esac
}

main "$@"
