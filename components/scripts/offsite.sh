#!/usr/bin/env bash
# Keeps the backups on the second host: restic's REST server, append-only for the VM, and the operator's side of it.
# Every command can be repeated, and finds what there is without anybody remembering it. Runs as root.
#   check OWNER PORT                           whether this host is free or ours; changes nothing
#   serve OWNER PORT SERVER RESTIC MAX_BYTES EVERY_MINUTES
#                                              stdin: one file a line, `NAME BASE64`; MAX_BYTES 0: no limit.
#                                              prints the id of the repository's key
#   watch                                      fails where backups stay away; run by a timer
#   status                                     `name=value` lines
#   files SINCE                                what the repository holds that is newer than SINCE (seconds since 1970)
#   quarantine SINCE                           moves that aside
#   restic ARGUMENT...                         stdin: the repository's password, then what restic reads
set -euo pipefail
umask 077
readonly base=/var/lib/foundation-offsite
# What `watch` has found: a verdict, and when. Gone after a reboot, as it should be.
readonly watched=/run/foundation-offsite-watch

fail() { # CODE MESSAGE HINT
  printf 'offsite: %s\nhint: %s\n' "$2" "$3" >&2
  exit "$1"
}

check() { # OWNER PORT
  local found
  found=$(cat "$base/owner" 2>/dev/null || true)
  if [ "$found" != "$1" ] && [ -n "$(ls -A "$base" 2>/dev/null)" ]; then
    fail 8 "$base holds backups of another foundation (${found:-it does not say which}), not of $1" \
      "choose another offsite; or, if they may go: mv $base $base.before (on the offsite)"
  fi
  # Without Docker there is no container either.
  found=$(docker container inspect -f 'x{{index .Config.Labels "foundation.owner"}}' offsite 2>/dev/null || true)
  case $found in
    "" | "x$1") ;;
    x) fail 8 "the container offsite is not ours: it has no owner" "docker rename offsite offsite-old (on the offsite)" ;;
    *) fail 8 "the container offsite is not ours: owner ${found#x}" "docker rename offsite offsite-old (on the offsite)" ;;
  esac
  if ! is_published "$2" && is_listening "$2"; then
    fail 9 "port $2 is taken" "pulumi config set --path foundation:offsite.restPort 8001; who it is: ss -ltnp sport = :$2"
  fi
}

is_published() { # PORT
  docker container inspect -f '{{json .HostConfig.PortBindings}}' offsite 2>/dev/null | grep -qF "\"HostPort\":\"$1\""
}

# From /proc, because `ss` is not on every minimal image.
is_listening() { # PORT
  awk -v port="$(printf '%04X' "$1")" '$4 == "0A" && $2 ~ ":" port "$" { found = 1 } END { exit !found }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

serve() { # OWNER PORT SERVER RESTIC MAX_BYTES EVERY_MINUTES
  check "$1" "$2"
  local owner=$1 server=$3
  readonly user=foundation-$owner
  install -d -m 0700 "$base" "$base/kit" "$base/quarantine"
  install -d -m 0700 -o 1000 -g 1000 "$base/data" "$base/tls" "$base/tmp"
  echo "$owner" | replace "$base/owner" 0:0
  echo "$4" | replace "$base/restic-image" 0:0
  # tmpfs: the passwords of the repository and of the account never touch this disk.
  incoming=$(mktemp -d /run/foundation-offsite.XXXXXX)
  trap 'rm -rf "$incoming"' EXIT
  receive
  enter_generation "$(cat "$incoming/vm_id")"
  initialise
  replace "$base/tls/cert.pem" 1000:1000 <"$incoming/cert.pem"
  replace "$base/tls/key.pem" 1000:1000 <"$incoming/key.pem"
  # bcrypt is salted: the same password would give another line each time.
  htpasswd "$server" -vi /tls/htpasswd "$user" <"$incoming/password" >/dev/null 2>&1 ||
    htpasswd "$server" -niB "$user" <"$incoming/password" | grep . | replace "$base/tls/htpasswd" 1000:1000
  run_server "$2" "$server" "$5"
  echo "$6" | replace "$base/every-minutes" 0:0
  keep_watch
  key_hint
}

receive() {
  local name content
  while read -r name content; do
    case $name in cert.pem | key.pem | password | restic_password | vm_id) ;; *) fail 64 "not a file of the offsite: $name" "report this" ;; esac
    base64 -d <<<"$content" >"$incoming/$name"
  done
}

# Replaces FILE by stdin if it differs; only its owner can read it.
replace() { # FILE UID:GID
  local new
  new=$(mktemp "$1.XXXXXX")
  cat >"$new"
  if cmp -s "$new" "$1"; then
    rm -f "$new"
    return
  fi
  chown "$2" "$new"
  chmod 0400 "$new"
  mv -f "$new" "$1"
}

# One line per VM that has written here, the last one is the one that may. A VM that was replaced must not come back as if
# nothing had happened: its backups would be newer than those of its successor, and a rebuild would take them.
enter_generation() { # VM_ID
  local file=$base/generations.jsonl last=0
  [[ $1 =~ ^[0-9a-f]{32}$ ]] || fail 64 "not the id of a VM: $1" "report this"
  if [ -s "$file" ]; then
    if tail -n 1 "$file" | grep -qF "\"vmId\":\"$1\""; then return; fi
    if grep -qF "\"vmId\":\"$1\"" "$file"; then
      fail 8 "this VM was replaced by another one, which backs up here now: $(tail -n 1 "$file")" \
        "deploy to that one; if this VM is to take over again: sed -i /$1/d $file (on the offsite)"
    fi
    last=$(tail -n 1 "$file" | sed 's/.*"generation":\([0-9]*\).*/\1/')
  fi
  { cat "$file" 2>/dev/null || true; printf '{"generation":%d,"vmId":"%s","since":"%s"}\n' $((last + 1)) "$1" "$(date -u +%FT%TZ)"; } |
    replace "$file" 0:0
}

# Creates the repository, once. The VM never does: it would take a wiped one for a new one.
initialise() {
  local marker=$base/repository.json
  if [ ! -e "$base/data/$user/config" ]; then
    if [ -e "$marker" ]; then
      fail 8 "the repository of backups is gone from $base/data/$user; there was one: $(cat "$marker")" \
        "find out who removed it; to begin a new one without any backup: rm $marker (on the offsite)"
    fi
    [ ! -e "$base/data/$user" ] ||
      fail 8 "$base/data/$user is there, and is not a repository" "look at it, then: rm -r $base/data/$user (on the offsite)"
    # Made elsewhere and moved, because restic refuses to go on with one that is half made.
    rm -rf "$base/data/.new"
    repository=.new restic init --quiet <"$incoming/restic_password" >/dev/null ||
      fail 1 "restic cannot create the repository" "docker logs; df -h $base (on the offsite)"
    mv "$base/data/.new" "$base/data/$user"
  fi
  [ -e "$marker" ] || printf '{"owner":"%s","created":"%s"}\n' "$owner" "$(date -u +%FT%TZ)" | replace "$marker" 0:0
}

htpasswd() { # SERVER ARGUMENT...
  docker run --rm --interactive --network none --user 1000:1000 --read-only --cap-drop ALL --security-opt no-new-privileges \
    --volume "$base/tls:/tls:ro" --entrypoint htpasswd "$@"
}

# restic on the repository's own directory. It reads the password from stdin, so that it is in no argument and no environment.
restic() { # ARGUMENT...
  docker run --rm --interactive --network none --user 1000:1000 --read-only --cap-drop ALL --security-opt no-new-privileges \
    --hostname "offsite-$$-$(date +%s)" --volume "$base/data:/data" --volume "$base/tmp:/tmp" --env TMPDIR=/tmp \
    "$(cat "$base/restic-image")" --no-cache --repo "/data/${repository:-$(repository_name)}" --key-hint "$(key_hint)" "$@"
}

# The key that is tried first: the oldest, which is the one the repository was created with. A VM that was broken into can
# add files there, and restic stops at a key that was cut off, in whatever command, if it comes to that one first.
key_hint() {
  find "$base/data/${repository:-$(repository_name)}/keys" -type f -printf '%T@ %f\n' 2>/dev/null | sort -n | sed -n '1s/.* //p'
}

repository_name() {
  [ -s "$base/owner" ] || fail 8 "there is no offsite of a foundation on this host" "pulumi up"
  echo "foundation-$(cat "$base/owner")"
}

run_server() { # PORT SERVER MAX_BYTES
  local arguments=(--path /data --listen :8000 --append-only --private-repos --htpasswd-file /tls/htpasswd
    --tls --tls-cert /tls/cert.pem --tls-key /tls/key.pem --tls-min-ver 1.3) fingerprint state
  [ "$3" = 0 ] || arguments+=(--max-size "$3")
  fingerprint=$({ echo "$1 $2 ${arguments[*]}"; cat "$base/tls/cert.pem" "$base/tls/key.pem" "$base/tls/htpasswd"; } | sha256sum | cut -c1-16)
  state=$(docker container inspect -f '{{.State.Running}} {{index .Config.Labels "foundation.fingerprint"}}' offsite 2>/dev/null || true)
  if [ "$state" != "true $fingerprint" ]; then
    # Also ends what a VM that was just locked out is still sending.
    docker rm --force offsite >/dev/null 2>&1 || true
    # Nobody is connected now, and restic would respect the locks of a VM that is gone for half an hour.
    find "$base/data/$user/locks" -type f -delete
    docker run --detach --name offsite --restart unless-stopped --label "foundation.owner=$owner" \
      --label "foundation.fingerprint=$fingerprint" --user 1000:1000 --read-only --cap-drop ALL \
      --security-opt no-new-privileges --log-opt max-size=10m --log-opt max-file=3 --publish "0.0.0.0:$1:8000" \
      --health-cmd 'nc -z 127.0.0.1 8000' --health-interval 60s --volume "$base/data:/data" \
      --volume "$base/tls:/tls:ro" --entrypoint /usr/bin/rest-server "$2" "${arguments[@]}" >/dev/null
  fi
  local _
  for _ in {1..60}; do
    if docker exec offsite nc -z 127.0.0.1 8000 2>/dev/null; then return; fi
    sleep 0.5
  done
  fail 1 "the REST server does not answer" "docker logs --tail 50 offsite (on the offsite)"
}

# A VM that is gone cannot say that its backups stay away; this host can, and needs no password for it.
keep_watch() {
  local unit=/etc/systemd/system/foundation-offsite-watch
  replace "$unit.service" 0:0 <<'UNIT'
[Unit]
Description=Fail where the newest backup of the foundation is late

[Service]
Type=oneshot
ExecStart=/usr/local/lib/foundation/offsite watch
UNIT
  replace "$unit.timer" 0:0 <<'UNIT'
[Unit]
Description=Look whether backups of the foundation arrive

[Timer]
OnCalendar=*:0/5

[Install]
WantedBy=timers.target
UNIT
  systemctl daemon-reload
  systemctl enable --quiet --now foundation-offsite-watch.timer ||
    fail 9 "the timer of the watch does not start" "on the offsite: systemctl status foundation-offsite-watch.timer"
  (watch) >/dev/null || true
}

# Late is what is older than two intervals. Told to $base/alarm, a program of the operator's, when it begins and ends.
watch() {
  local newest minutes age verdict=ok before message
  newest=$(newest_snapshot || true)
  # Before the first backup there is the repository.
  [ -n "$newest" ] || newest=$(stat -c %Y "$base/repository.json")
  minutes=$(cat "$base/every-minutes")
  age=$((($(date +%s) - ${newest%.*}) / 60))
  message="the newest backup is $age min old, and one is due every $minutes min"
  [ "$age" -le $((2 * minutes)) ] || verdict=late
  before=$(cut -d ' ' -f 1 "$watched" 2>/dev/null || echo ok)
  echo "$verdict $(date +%s)" >"$watched"
  if [ "$verdict" != "$before" ] && [ -x "$base/alarm" ]; then
    "$base/alarm" "$verdict" "$message" || echo "offsite: $base/alarm failed" >&2
  fi
  echo "offsite: $verdict: $message"
  [ "$verdict" = ok ] || exit 1
}

newest_snapshot() {
  find "$base/data/$(repository_name)/snapshots" -type f -printf '%T@\n' 2>/dev/null | sort -n | tail -n 1
}

status() {
  local directory
  directory=$base/data/$(repository_name)
  echo "owner=$(cat "$base/owner")"
  echo "generation=$(tail -n 1 "$base/generations.jsonl" 2>/dev/null)"
  echo "server=$(docker container inspect -f '{{.State.Status}} {{.Config.Image}}' offsite 2>/dev/null || echo missing)"
  echo "repository=$([ -e "$directory/config" ] && echo present || echo missing)"
  echo "key_hint=$(key_hint)"
  echo "bytes=$(du -sb "$directory" 2>/dev/null | cut -f1)"
  echo "free_bytes=$(df -B1 --output=avail "$base" | tail -n 1 | tr -d ' ')"
  echo "snapshots=$(find "$directory/snapshots" -type f 2>/dev/null | wc -l)"
  echo "newest=$(newest_snapshot)"
  echo "watched=$(cat "$watched" 2>/dev/null)"
  echo "pruned=$(cat "$base/pruned" 2>/dev/null)"
  echo "clock=$(date +%s)"
}

# Prints `KIND NAME SECONDS BYTES`. Packs are left out: one that no index names is read by nobody.
files() { # SINCE
  local directory kind
  directory=$base/data/$(repository_name)
  for kind in keys locks index snapshots; do
    find "$directory/$kind" -type f -newermt "@$1" -printf "$kind %f %T@ %s\n" 2>/dev/null || true
  done
}

quarantine() { # SINCE
  local directory kind name rest aside
  directory=$base/data/$(repository_name)
  aside=$base/quarantine/$(date -u +%Y%m%dT%H%M%SZ)
  files "$1" | while read -r kind name rest; do
    mkdir -p "$aside/$kind"
    mv "$directory/$kind/$name" "$aside/$kind/$name"
    echo "$kind $name $rest"
  done
  echo "$aside"
}

main() {
  local command=${1:-}
  [ "$(id -u)" = 0 ] || fail 9 "not root" "give the SSH user of the offsite password-less sudo"
  shift || true
  case $command in
    check | files | quarantine) "$command" "$@" </dev/null ;;
    status | watch) "$command" </dev/null ;;
    serve) serve "$@" ;;
    restic)
      # Whoever goes back to a state before this loses what prune has put together anew.
      [ "${1:-}" != prune ] || date +%s >"$base/pruned"
      restic "$@"
      ;;
    *) fail 64 "unknown command $command" "report this" ;;
  esac
}

main "$@"
