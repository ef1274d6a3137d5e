import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isolated, permitted, type Ended } from "./isolated.ts";

// The scratch host of a drill, in name spaces of its own, beside a `docker` and a `systemctl` that write down what they are asked.

const SCRIPT = readFileSync(new URL("../../cli/drill/scratch-host.sh", import.meta.url), "utf8");
const OWNER = "00112233445566aa";

/** @param text runs after the script was put at /run/scratch-host; `prints` are docker's answers, by the start of its arguments */
function onHost(text: string, prints: Readonly<Record<string, string>> = {}): Ended {
  const cases = Object.entries(prints).map(([start, answer]) => `"${start}"*) printf '${answer}' ;;\n`);
  return isolated(`cat >/run/scratch-host <<'END_OF_SCRIPT'\n${SCRIPT}END_OF_SCRIPT
    mkdir -p /usr/local/bin /var/lib /etc/ssh/sshd_config.d
    printf '#!/bin/bash\\necho "docker $*" >>/run/asked\\ncase "$*" in\\n%s esac\\n' ${quote(cases.join(""))} >/usr/local/bin/docker
    printf '#!/bin/sh\\necho "systemctl $*" >>/run/asked\\n' >/usr/local/bin/systemctl
    chmod +x /usr/local/bin/*; touch /run/asked
    scratch() { bash /run/scratch-host "$@" || echo "exit $?"; }
    ${text}`);
}
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

describe.skipIf(!permitted)("the scratch host", () => {
  it("is taken where it has nothing, and again by the next drill of the same foundation", () => {
    const { stdout, stderr } = onHost(`scratch begin ${OWNER}; cat /var/lib/foundation-drill
      mkdir /etc/foundation; scratch begin ${OWNER}; ls /etc; cat /var/lib/foundation-drill`);
    expect([stdout.replace(/alternatives\n|group\n|passwd\n|ssh\n/g, ""), stderr]).toEqual([
      `${OWNER}\n${OWNER}\n`,
      "",
    ]);
  });

  it.each(["/etc/foundation", "/var/lib/foundation", "/var/lib/foundation-offsite"])("is refused with %s", (path) => {
    const { stdout, stderr } = onHost(`mkdir ${path}; scratch begin ${OWNER}; scratch clean ${OWNER}; ls -d ${path}`);
    expect([stdout, stderr]).toEqual([
      `exit 8\n${path}\n`,
      `drill: this host has a foundation, or the backups of one: ${path}\nhint: choose a host that has nothing of anybody's\n`,
    ]);
  });

  it("is refused with a container of a foundation, and while another one's drill has it", () => {
    const { stdout, stderr } = onHost(`scratch begin ${OWNER}; ls /var/lib`, {
      "ps --all --filter": "vault\\nseed\\n",
    });
    expect([stdout, stderr]).toEqual([
      "exit 8\n",
      "drill: this host has containers of a foundation: vault seed\nhint: choose a host that has nothing of anybody's\n",
    ]);
    const other = onHost(`echo other >/var/lib/foundation-drill; scratch begin ${OWNER}; scratch clean ${OWNER}`);
    const refusal = "drill: this host is in use by the drill of another foundation: other\nhint: choose another host\n";
    expect([other.stdout, other.stderr]).toEqual(["exit 8\nexit 8\n", refusal + refusal]);
  });

  it("is given back without anything that a deployment has put there, however often", () => {
    const { code, stdout, stderr } = onHost(
      `scratch begin ${OWNER}
      mkdir -p /etc/foundation/seed /usr/local/lib/foundation /var/lib/foundation/seed /etc/docker /etc/logrotate.d
      mkdir -p /etc/systemd/system/docker.service.d
      echo x | tee /etc/ssh/sshd_config.d/10-foundation.conf /etc/logrotate.d/foundation-vault /etc/docker/daemon.json \\
        /etc/systemd/system/foundation-git-gc.service /etc/systemd/system/foundation-git-gc.timer \\
        /etc/systemd/system/docker.service.d/foundation.conf /run/foundation-host.lock >/dev/null
      sha256sum /etc/docker/daemon.json >/var/lib/foundation/docker.sha256
      $PWD/firewall.sh
      scratch clean ${OWNER}; scratch clean ${OWNER}
      find /etc /run /usr/local /var/lib -name '*foundation*' -o -name daemon.json
      ls /run; iptables -S; grep -v '^docker ps --all' /run/asked`,
      { "ps --all --quiet": "c1\\nc2\\n", "image ls": "i1\\ni1\\n", "volume ls": "v1\\n", "network ls": "n1\\nn2\\n" },
    );
    expect([code, stderr]).toEqual([0, ""]);
    const ours = `--quiet --filter label=foundation.owner=${OWNER}`;
    expect(stdout).toBe(`asked
mount
scratch-host
-P INPUT ACCEPT
-P FORWARD ACCEPT
-P OUTPUT ACCEPT
-N DOCKER-USER
docker rm --force --volumes c1 c2
docker rm --force --volumes c1 c2
docker image ls --quiet foundation/backup
docker image rm --force i1
docker volume ls ${ours}
docker volume rm --force v1
docker network ls ${ours}
docker network rm n1 n2
systemctl disable --quiet --now foundation-git-gc.timer
systemctl reload ssh
systemctl daemon-reload
systemctl reset-failed docker docker.socket
systemctl restart docker
`);
  });

  it("says when what came up", () => {
    const { stdout, stderr } = onHost(
      `mkdir -p /var/lib/foundation/seed /var/lib/docker/volumes/vault-data/_data
      printf '{\\n "phase": "done"\\n}\\n' >/var/lib/foundation/seed/seed.json
      echo 'epoch STORED' >/var/lib/docker/volumes/vault-data/_data/.foundation-epoch
      touch -d @1700000000.25 /var/lib/foundation/seed/seed.json /var/lib/docker/volumes/vault-data/_data/.foundation-epoch
      scratch facts`,
      {
        "network ls": "n\\n",
        "network inspect": 'network=a "x"\\n',
        "ps --all --quiet": "c\\n",
        inspect: 'container=/b "y"\\n',
      },
    );
    expect(stderr).toBe("");
    expect(stdout.replace(/clock=\d+\.\d{3}/, "clock=NOW")).toBe(`network=a "x"
container=/b "y"
seed={ "phase": "done"}
seed_written=1700000000.250
vault_opened=1700000000.250
clock=NOW
`);
  });

  it("does no restore where the deployment did not get that far", () => {
    const { stdout, stderr } = onHost(`scratch seed ${OWNER}`);
    expect([stdout, stderr]).toEqual([
      "exit 9\n",
      "drill: the deployment stopped before the backup was looked at\nhint: what stopped it is said above\n",
    ]);
  });

  it("is compared by the job with the backup's own role, and keeps no credential", () => {
    const { code, stdout, stderr } = onHost(
      `mkdir -p /etc/foundation/seed /usr/local/lib/foundation
      echo plan >/etc/foundation/seed/plan.json; echo super >/etc/foundation/seed/postgres_password
      for script in postgres-database postgres-reader; do
        printf '#!/bin/sh\\necho "$(basename "$0") $* $(head -c 4 | wc -c)" >>/run/asked\\n' >/usr/local/lib/foundation/$script
      done
      chmod +x /usr/local/lib/foundation/*
      printf 'role\\nsecret\\n' | scratch check ${OWNER}
      ls /run; cat /run/asked; cat /run/found`,
      {
        "exec postgres": "backup\\nforgejo\\n",
        "image ls": "foundation/backup:new\\nfoundation/backup:old\\n",
        "start --attach":
          "{}\\n'; cd /run/foundation-drill; stat -c '%n %a %u' * >/run/found; head -n 9 vault_* >>/run/found; printf '",
      },
    );
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe(`{}
asked
found
mount
scratch-host
docker rm --force foundation-drill
docker exec postgres psql -U postgres -Atc SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'
postgres-database backup 4
postgres-reader backup backup forgejo 0
docker image ls --format {{.Repository}}:{{.Tag}} foundation/backup
docker create --name foundation-drill --label foundation.owner=${OWNER} --user 1000:1000 --read-only --init --cap-drop ALL --security-opt no-new-privileges --memory 1g --tmpfs /tmp:mode=1777,size=64m --tmpfs /var/lib/postgresql:mode=0700,size=1m --volume /run/foundation-drill:/etc/foundation:ro --volume backup-data:/var/lib/backup --volume forgejo-data:/sources/forgejo:ro --network postgres-backup foundation/backup:new rebuilt --json
docker network connect rustfs-backup foundation-drill
docker network connect vault-backup foundation-drill
docker start --attach foundation-drill
forge_password 600 1000
plan.json 600 1000
postgres_password 600 1000
vault_role_id 600 1000
vault_secret_id 600 1000
==> vault_role_id <==
role
==> vault_secret_id <==
secret`);
  });
});
