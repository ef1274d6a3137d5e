#!/usr/bin/env bash
# Containers for jobs of Actions, under a user that has nothing else: rootless podman with a disk, limits and a firewall
# of its own, behind a socket that only the runner gets. Idempotent; a change of the limits ends the job that runs.
# Arguments: MEMORY_MIB CPU_PERCENT PROCESSES DISK_MIB IMAGE STORED_AS DOOR SITE...; stdin: the CA of the sites.
# Or: prepare, which is run by the service before it starts.
set -euo pipefail

readonly user=foundation-runner home=/var/lib/foundation-runner
readonly disk=$home/disk settings=$home/containers.conf
readonly unit=/etc/systemd/system/foundation-runner
# The group of the runner in its container (components/runner.ts).
readonly runner_group=10013
# Users of the containers, apart from those that the system hands out by itself.
readonly first_id=590000000 last_id=590065535

fail() { # CODE MESSAGE HINT
  printf 'runner: %s\nhint: %s\n' "$2" "$3" >&2
  exit "$1"
}

# Replaces FILE by stdin if it differs.
replace() { # FILE
  local new
  new=$(mktemp "$1.XXXXXX")
  cat >"$new"
  chmod 0644 "$new"
  if cmp -s "$new" "$1"; then rm -f "$new"; else mv -f "$new" "$1"; fi
}

install_packages() {
  local missing=() package
  for package in podman crun uidmap passt netavark aardvark-dns nftables e2fsprogs; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  export DEBIAN_FRONTEND=noninteractive
  # In a process of its own, which goes on when the connection breaks: dpkg that is killed refuses every later run.
  if ! apt update || ! apt --no-install-recommends install "${missing[@]}"; then
    fail 9 "cannot install ${missing[*]}" \
      "on the VM: apt-get install ${missing[*]}; or without them: pulumi config set --path foundation:runner.isolation container"
  fi
}

apt() { # ARGUMENT...
  setsid --wait apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >/dev/null
}

create_user() {
  id "$user" >/dev/null 2>&1 ||
    useradd --system --user-group --home-dir "$disk" --no-create-home --shell /usr/sbin/nologin "$user"
  # systemd knows groups by number only where they have a name.
  getent group "$runner_group" >/dev/null || groupadd --gid "$runner_group" foundation-runner-socket
  grep -q "^$user:$first_id:" /etc/subuid || usermod --add-subuids "$first_id-$last_id" "$user"
  grep -q "^$user:$first_id:" /etc/subgid || usermod --add-subgids "$first_id-$last_id" "$user"
}

# A file system of fixed size: what a job fills up is its own. It is empty until it is written to.
create_disk() { # MIB
  local wanted=$(($1 * 1024 * 1024)) size
  install -d -m 0755 "$home"
  install -d -m 0755 "$disk"
  size=$(stat -c %s "$disk.img" 2>/dev/null || echo 0)
  [ "$size" -lt "$wanted" ] || return 0
  systemctl stop foundation-runner.socket foundation-runner.service foundation-runner-disk.service 2>/dev/null || true
  truncate -s "$wanted" "$disk.img"
  chmod 0600 "$disk.img"
  if [ "$size" = 0 ]; then
    mkfs.ext4 -q -F -E "root_owner=$(id -u "$user"):$(id -g "$user")" "$disk.img"
  else
    e2fsck -fp "$disk.img" >/dev/null || [ $? -le 1 ] || fail 9 "the disk of the jobs is damaged" "on the VM: rm $disk.img; it holds nothing that lasts"
    resize2fs "$disk.img" >/dev/null 2>&1
  fi
  # What a full disk keeps back is for the engine, which else could not even remove the job. Jobs have other users.
  tune2fs -r 16384 -u "$user" "$disk.img" >/dev/null
}

configure_engine() {
  replace "$settings" <<CONF
[containers]
# No user of a container is the one that the engine runs as: what gets out of one cannot reach the engine.
userns = "nomap"
# The limits are the service's, for all of its containers together. This one leaves the engine room to end them.
cgroups = "disabled"
default_ulimits = ["nproc=$1:$1"]
pids_limit = 0
log_driver = "k8s-file"
log_size_max = 10485760

[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
# A job's first process is one that sleeps, and does not hear that it is to end.
stop_timeout = 1

[network]
default_rootless_network_cmd = "pasta"
CONF
  replace "$home/storage.conf" <<CONF
[storage]
driver = "overlay"
CONF
}

# What serves the names inside a job's network is started through a session of the user, which has none: then from here.
configure_session() {
  replace "$home/systemd-run" <<'RUN'
#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
RUN
  chmod 0755 "$home/systemd-run"
}

configure_service() { # MEMORY_MIB CPU_PERCENT PROCESSES
  replace "$unit.socket" <<UNIT
[Unit]
Description=Socket of the containers for jobs of Actions

[Socket]
ListenStream=/run/foundation-runner/podman.sock
DirectoryMode=0755
SocketUser=$user
SocketGroup=$runner_group
SocketMode=0660

[Install]
WantedBy=sockets.target
UNIT
  # A service of its own: what one that has private mounts mounts, even as root, is gone with it.
  replace "$unit-disk.service" <<UNIT
[Unit]
Description=Disk and firewall of the containers for jobs of Actions

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/foundation/runner-rootless prepare
ExecStop=/usr/bin/umount $disk
UNIT
  replace "$unit.service" <<UNIT
[Unit]
Description=Containers for jobs of Actions, without root
Requires=foundation-runner.socket foundation-runner-disk.service
After=foundation-runner.socket foundation-runner-disk.service network-online.target

[Service]
User=$user
Group=$user
Environment=HOME=$disk XDG_RUNTIME_DIR=/run/foundation-runner-engine TMPDIR=$disk
Environment=CONTAINERS_CONF=$settings CONTAINERS_STORAGE_CONF=$home/storage.conf PODMAN_IGNORE_CGROUPSV1_WARNING=1
RuntimeDirectory=foundation-runner-engine
RuntimeDirectoryMode=0700
BindReadOnlyPaths=$home/hosts:/etc/hosts
InaccessiblePaths=-/run/docker.sock -/var/lib/docker -/etc/foundation -/root -/home
BindReadOnlyPaths=$home/systemd-run:/usr/bin/systemd-run
ExecStart=/usr/bin/podman system service --time=0
Restart=always
RestartSec=1
# Whatever a job started ends with it: all of it is in this group, and has to share what this group may use.
KillMode=control-group
TimeoutStopSec=20
MemoryMax=$1M
MemorySwapMax=0
CPUQuota=$2%
TasksMax=$3
OOMPolicy=continue
UNIT
}

# Before each start, as root: the disk, the device of the network, and the rules that keep jobs away from the VM.
prepare() {
  local free
  [ ! -e /dev/net/tun ] || chmod 0666 /dev/net/tun
  modprobe --quiet loop 2>/dev/null || true
  if ! mountpoint -q "$disk"; then
    free=$(losetup --find | cut -d' ' -f1) || fail 9 "no loop device for the disk of the jobs" \
      "pulumi config set --path foundation:runner.isolation container"
    # Where no udev makes them.
    [ -e "$free" ] || mknod -m 0660 "$free" b 7 "${free#/dev/loop}"
    # Not mount -o loop: on a kernel that several VMs share, it takes a disk of the same name for this one.
    losetup "$free" "$disk.img"
    mount -o nosuid,nodev "$free" "$disk"
    # Takes effect when it is unmounted.
    losetup --detach "$free"
  fi
  install -d -o "$user" -g "$user" "$disk/.config"
  /usr/local/lib/foundation/firewall
}

configure_names() { # DOOR SITE...
  local door=$1 site
  shift
  {
    echo "127.0.0.1 localhost"
    for site; do echo "$door $site"; done
  } | replace "$home/hosts"
  printf 'JOB_USERS="%s %s-%s"\nJOB_DOOR=%s\n' "$(id -u "$user")" "$first_id" "$last_id" "$door" |
    replace /etc/foundation/firewall-jobs.conf
}

engine() { # ARGUMENT...; podman of the jobs, which its service answers for
  CONTAINER_HOST=unix:///run/foundation-runner/podman.sock timeout 800 podman --remote "$@"
}

start_service() {
  local files=("$unit.service" "$unit-disk.service" "$unit.socket" "$settings" "$home/storage.conf" "$home/hosts" /usr/local/lib/foundation/firewall)
  if ! sha256sum --status -c /var/lib/foundation/runner.sha256 2>/dev/null; then
    systemctl daemon-reload
    systemctl enable --quiet foundation-runner.socket
    systemctl reset-failed foundation-runner.service foundation-runner.socket 2>/dev/null || true
    systemctl stop foundation-runner.socket foundation-runner.service foundation-runner-disk.service
    systemctl start foundation-runner.socket
    systemctl start foundation-runner.service
    sha256sum "${files[@]}" >/var/lib/foundation/runner.sha256
  fi
  systemctl is-active --quiet foundation-runner.socket || systemctl start foundation-runner.socket
  CONTAINER_HOST=unix:///run/foundation-runner/podman.sock timeout 30 podman --remote version >/dev/null || fail 9 "the containers of the jobs do not start" \
    "on the VM: journalctl -u foundation-runner -n 30; or without: pulumi config set --path foundation:runner.isolation container"
}

# What setup actions keep for later jobs: emptied when a job ends, because one could leave something else there.
create_tool_cache() {
  engine volume exists act-toolcache ||
    engine volume create --opt type=tmpfs --opt device=tmpfs --opt o=nosuid,nodev act-toolcache >/dev/null
}

# From Docker's store to the jobs', by its digest: a job needs no registry and no credential for it.
store_image() { # IMAGE STORED_AS
  local loaded old
  if ! engine image exists "$2"; then
    loaded=$(docker save "$1" | engine load --quiet | sed -n 's/^Loaded image: //p' | tail -n 1)
    engine tag "$loaded" "$2"
    # Its files are copied for the users of containers when the first one starts: now, and not in somebody's first job.
    engine run --rm --network none "$2" true
  fi
  engine images --format '{{.Repository}}:{{.Tag}}' | grep '^localhost/foundation-job:' | while IFS= read -r old; do
    [ "$old" = "$2" ] || engine rmi --force "$old" >/dev/null
  done
}

main() {
  if [ "$1" = prepare ]; then prepare; return; fi
  local memory=$1 cpu=$2 processes=$3 size=$4 image=$5 stored=$6 certificate
  # All of it now: the programs below would take it for theirs.
  certificate=$(cat)
  install_packages
  create_user
  create_disk "$size"
  { cat /etc/ssl/certs/ca-certificates.crt; printf '%s\n' "$certificate"; } | replace "$home/ca.crt"
  configure_engine "$((processes / 2))"
  configure_session
  configure_service "$memory" "$cpu" "$processes"
  configure_names "${@:7}"
  start_service
  create_tool_cache
  store_image "$image" "$stored"
  echo ready
}

main "$@"
