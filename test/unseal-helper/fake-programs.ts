// What a run of the program finds on its PATH in place of ssh and, on the VM, docker. Shell scripts, because each run
// starts several of them.

/**
 * `-W` connects to a fake Vault: the one of the VM, or that of a drill. Anything else is a command line that a shell
 * runs, with /run and Vault's configuration in the test's directory. Each start is recorded.
 */
export function sshProgram(args: { calls: string; directory: string; port: number; drillPort: number }): string {
  const { calls, directory, port, drillPort } = args;
  const here = [
    `s#/run/#${directory}/#g`,
    `s#/etc/foundation/vault/#${directory}/#g`,
    `s#/dev/tcp/127.0.0.1/8200#/dev/tcp/127.0.0.1/${port}#g`,
  ];
  return `#!/usr/bin/env bash
call=${calls}/$EPOCHREALTIME
printf '%s\\0' "$@" >"$call.argv"
cat /proc/$$/environ >"$call.env"
if [ -n "$FAKE_SSH_ERROR" ]; then echo "$FAKE_SSH_ERROR" >&2; exit 255; fi
here=${JSON.stringify(here.join("; "))}
command=$(sed "$here" <<<"\${@: -1}")
if [ "$1" = -W ]; then
  port=${port}
  [ "$2" = ${DRILL_ADDRESS}:8200 ] && port=${drillPort}
  exec 3<>/dev/tcp/127.0.0.1/$port || exit 255
  cat <&3 &
  cat <&0 >&3 &
  trap 'kill $(jobs -p)' EXIT
  trap exit TERM
  wait $!
elif [[ $command == *flock* ]]; then
  exec bash -c "$command"
else
  sed "$here" | bash -c "$command"
fi
`;
}

const DRILL_ADDRESS = "192.0.2.9";

/** A docker that knows Vault's container and volume, and those of a drill while there is one. */
export function dockerProgram(owner: string, volume: string, directory: string): string {
  return `#!/usr/bin/env bash
[ -z "$FAKE_MISSING" ] || exit 1
cd "${directory}"
case "$*" in
  *" -f {{index ."*"Labels \\"foundation.owner\\"}} vault-drill") [ -e drill ] && echo "${owner}" ;;
  *" -f {{index ."*"Labels \\"foundation.owner\\"}} "*) echo "\${FAKE_OWNER:-${owner}}" ;;
  "volume inspect -f {{.Mountpoint}} vault-drill") mkdir -p drill-volume && echo "${directory}/drill-volume" ;;
  "volume inspect -f {{.Mountpoint}} vault-logs") echo "${directory}/logs" ;;
  "volume inspect -f {{.Mountpoint}} vault-data") echo "${volume}" ;;
  "container inspect -f {{.Image}} vault") echo sha256:00 ;;
  "network create --internal "*" vault-drill" | "volume create "*" vault-drill") ;;
  "run -d --name vault-drill "*) touch drill ;;
  "container inspect -f {{(index .NetworkSettings.Networks \\"vault-drill\\").IPAddress}} vault-drill") echo ${DRILL_ADDRESS} ;;
  "restart -t 30 vault-drill") touch drill-restarted ;;
  "stop -t 5 vault-drill" | "container rm vault-drill" | "volume rm vault-drill") ;;
  "network rm vault-drill") rm drill; touch drill-removed ;;
  "container inspect -f {{.State.Running}} vault") [ -e running ] && echo true || echo false ;;
  "start vault") touch running ;;
  "stop -t 30 vault") rm -f running; touch restarted ;;
  "kill -s HUP vault") touch reloaded ;;
  "restart -t 30 vault") touch restarted ;;
  *) echo "unexpected: docker $*" >&2; exit 1 ;;
esac
`;
}
