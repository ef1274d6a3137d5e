import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { hostInstaller } from "../../components/host.ts";
import { bundle } from "../../components/secret-files.ts";
import { SCRIPTS, type ScriptName } from "../../components/vm.ts";
import { readScripts } from "../../scripts.ts";
import { DIRECTORY, isolated, permitted, type Ended } from "./isolated.ts";

// The scripts of the VM, each in name spaces of its own: the real script on the real kernel, nothing of this machine touched.

describe.skipIf(!permitted)("install-files", () => {
  const install = (files: Record<string, string>): string =>
    `./install-files.sh forgejo 1000:1001 <<'END'\n${bundle(files)}END\n`;
  const list = "stat -c '%n %a %u:%g' /etc/foundation/forgejo /etc/foundation/forgejo/* | sed s,/etc/foundation/,,\n";

  it("delivers files that only the container's user can read", () => {
    const { code, stdout, stderr } = isolated(
      `mkdir -m 0700 /etc/foundation\n${install({ "app.ini": "[server]\n", key: "a\n\nb", empty: "" })}${list}
      cat /etc/foundation/forgejo/key`,
    );
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toBe(`installed
forgejo 500 1000:1001
forgejo/app.ini 400 1000:1001
forgejo/empty 400 1000:1001
forgejo/key 400 1000:1001
a

b`);
  });

  it("replaces what changed and removes what is not named, leftovers of a killed run too", () => {
    const { stdout, stderr } = isolated(`mkdir -m 0700 /etc/foundation
      ${install({ a: "1", b: "1" })}
      exec 3</etc/foundation/forgejo/a; touch /etc/foundation/forgejo/.a.Xy12Zq
      ${install({ a: "2", c: "3" })}
      cat <&3; echo; cat /etc/foundation/forgejo/a; echo; ls -A /etc/foundation/forgejo`);
    expect(stderr).toBe("");
    expect(stdout).toBe("installed\ninstalled\n1\n2\na\nc\n");
  });

  it.each(["../passwd", ".hidden", "a/b"])("refuses %j, which is not a file name", (name) => {
    const { code, stdout, stderr } = isolated(
      `mkdir /etc/foundation; ./install-files.sh forgejo 0:0 <<<"${name} eA=="`,
    );
    expect([code, stdout, stderr]).toEqual([64, "", `install-files: not a file name: ${name}\nhint: report this\n`]);
  });

  it("keeps the old file when the new one cannot be decoded", () => {
    const { code, stdout } = isolated(`mkdir /etc/foundation; ${install({ a: "old" })}
      ./install-files.sh forgejo 0:0 <<<'a !!!' 2>/dev/null || echo "exit $?"; cat /etc/foundation/forgejo/a`);
    expect([code, stdout]).toEqual([0, "installed\nexit 1\nold"]);
  });
});

describe.skipIf(!permitted)("firewall", () => {
  /** Networks that are not the internet, as iptables lists them. */
  const NEIGHBOURS = {
    iptables: [
      ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"],
      ...["192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"],
    ],
    ip6tables: ["::1/128", "fc00::/7", "fe80::/10", "ff00::/8", "64:ff9b::/96"],
  };
  const REJECT = {
    iptables: "REJECT --reject-with icmp-port-unreachable",
    ip6tables: "REJECT --reject-with icmp6-port-unreachable",
  };
  const RULES = (ports: string[], command: keyof typeof NEIGHBOURS = "iptables"): string => `-N DOCKER-USER
-N FOUNDATION
-N FOUNDATION-INPUT
-N FOUNDATION-JOBS
-N FOUNDATION-OUTPUT
-A INPUT -j FOUNDATION-INPUT
-A OUTPUT -j FOUNDATION-OUTPUT
-A DOCKER-USER -j FOUNDATION
-A FOUNDATION -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A FOUNDATION -i fnd-13 -o fnd-13 -j RETURN
-A FOUNDATION -i fnd-13 -p udp -m udp --dport 53 -j RETURN
-A FOUNDATION -i fnd-13 -p tcp -m tcp --dport 53 -j RETURN
${NEIGHBOURS[command].map((network) => `-A FOUNDATION -d ${network} -i fnd-13 -j DROP\n`).join("")}\
-A FOUNDATION -i docker0 -j RETURN
-A FOUNDATION -i br-+ -j RETURN
-A FOUNDATION -i fnd-+ -j RETURN
${ports.map((port) => `-A FOUNDATION -p tcp -m conntrack --ctorigdstport ${port} --ctdir ORIGINAL -j RETURN\n`).join("")}\
-A FOUNDATION -p udp -m conntrack --ctorigdstport 443 --ctdir ORIGINAL -j RETURN
-A FOUNDATION -o docker0 -j DROP
-A FOUNDATION -o br-+ -j DROP
-A FOUNDATION -o fnd-+ -j DROP
-A FOUNDATION-INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A FOUNDATION-INPUT -i fnd-13 -j DROP
-A FOUNDATION-JOBS -p udp -m udp --dport 53 -j RETURN
-A FOUNDATION-JOBS -p tcp -m tcp --dport 53 -j RETURN
-A FOUNDATION-JOBS -m addrtype --dst-type LOCAL -j ${REJECT[command]}
${NEIGHBOURS[command].map((network) => `-A FOUNDATION-JOBS -d ${network} -j ${REJECT[command]}\n`).join("")}`;
  const configure = (ports: string): string =>
    `mkdir -p /etc/foundation; echo 'PORTS="${ports}"' >/etc/foundation/firewall.conf\n`;
  const show = (command: string): string => `${command} -S | grep -v '^-P'\n`;

  it("lets in the web ports before it is configured", () => {
    expect(isolated(`./firewall.sh; ${show("iptables")}`)).toEqual({
      code: 0,
      stdout: RULES(["80", "443"]),
      stderr: "",
    });
  });

  it("gives the chains of IPv4 and IPv6, however often it runs", () => {
    const twice = isolated(
      `${configure("80 443 2222")} ./firewall.sh; ./firewall.sh; ${show("iptables")} ${show("ip6tables")}`,
    );
    const ports = ["80", "443", "2222"];
    expect(twice).toEqual({ code: 0, stdout: RULES(ports) + RULES(ports, "ip6tables"), stderr: "" });
  });

  it("forgets a port that is no longer declared", () => {
    const changed = isolated(
      `${configure("80 443 2222")} ./firewall.sh; ${configure("80 443 2200")} ./firewall.sh; ${show("iptables")}`,
    );
    expect(changed).toEqual({ code: 0, stdout: RULES(["80", "443", "2200"]), stderr: "" });
  });

  it("comes first in Docker's chain and leaves the rules of others there", () => {
    const { stdout } = isolated(`iptables -N DOCKER-USER; iptables -A DOCKER-USER -s 192.0.2.1 -j DROP
      ./firewall.sh; ./firewall.sh; iptables -S DOCKER-USER`);
    expect(stdout).toBe("-N DOCKER-USER\n-A DOCKER-USER -j FOUNDATION\n-A DOCKER-USER -s 192.0.2.1/32 -j DROP\n");
  });

  it("lets packets from outside reach a container by declared ports alone, and containers everything", () => {
    const { stdout, stderr } = isolated(`
      ip netns add outside; ip netns add container
      ip link add vm-out type veth peer name eth0 netns outside
      ip link add fnd-10 type bridge; ip link add vm-in type veth peer name eth0 netns container
      ip link set vm-in master fnd-10; ip addr add 10.0.0.1/24 dev vm-out; ip addr add 172.30.10.1/24 dev fnd-10
      ip netns exec outside ip addr add 10.0.0.2/24 dev eth0; ip netns exec container ip addr add 172.30.10.2/24 dev eth0
      for link in vm-out fnd-10 vm-in; do ip link set $link up; done
      for name in outside container; do ip netns exec $name ip link set eth0 up; ip netns exec $name ip link set lo up; done
      ip netns exec outside ip route add default via 10.0.0.1; ip netns exec container ip route add default via 172.30.10.1
      echo 1 >/proc/sys/net/ipv4/ip_forward
      for port in 443 2222 5432; do
        iptables -t nat -A PREROUTING -i vm-out -p tcp --dport $port -j DNAT --to-destination 172.30.10.2:8080
      done
      serve() { ip netns exec "$1" ${process.execPath} -e 'require("http").createServer((_, r) => r.end("here")).listen(8080)' & }
      serve container; serve outside
      try() { ip netns exec "$1" curl -s --connect-timeout 1 "http://$2" || echo refused; echo " $1 $2"; }
      for i in $(seq 50); do ip netns exec outside curl -sf -o /dev/null http://10.0.0.1:443 && break; sleep 0.1; done
      iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER
      for port in 443 2222 5432; do try outside 10.0.0.1:$port; done
      ${configure("80 443 2222")} ./firewall.sh; echo loaded
      for port in 443 2222 5432; do try outside 10.0.0.1:$port; done
      try outside 172.30.10.2:8080; try container 10.0.0.2:8080
    `);
    expect(stderr).toBe("");
    expect(stdout).toBe(`here outside 10.0.0.1:443
here outside 10.0.0.1:2222
here outside 10.0.0.1:5432
loaded
here outside 10.0.0.1:443
here outside 10.0.0.1:2222
refused
 outside 10.0.0.1:5432
refused
 outside 172.30.10.2:8080
here container 10.0.0.2:8080
`);
  });
});

describe.skipIf(!permitted)("host", () => {
  const source = "set -- root 2222; . ./host.sh\n";

  it("refuses to run as anybody but root", () => {
    const { code, stderr } = isolated(
      `${source} export -f main fail; setpriv --reuid 65534 --clear-groups bash -c 'main root 2222'`,
    );
    expect([code, stderr]).toEqual([9, "host: not root\nhint: give the SSH user password-less sudo\n"]);
  });

  it("does not touch a daemon.json of somebody else", () => {
    const { code, stdout, stderr } = isolated(`${source} mkdir -p /etc/docker /var/lib/foundation
      echo '{"iptables":false}' >/etc/docker/daemon.json
      (configure_docker) || echo "exit $?"; cat /etc/docker/daemon.json`);
    expect([code, stdout]).toEqual([0, 'exit 8\n{"iptables":false}\n']);
    expect(stderr).toBe(`host: /etc/docker/daemon.json was written by somebody else
hint: move its options away and run again: mv /etc/docker/daemon.json /etc/docker/daemon.json.before
`);
  });

  it("gives Docker options that are JSON and close what Docker leaves open", () => {
    expect(JSON.parse(isolated(`${source} daemon_options`).stdout)).toEqual({
      "live-restore": true,
      "userland-proxy": false,
      "no-new-privileges": true,
      ip: "127.0.0.1",
      "log-driver": "json-file",
      "log-opts": { "max-size": "10m", "max-file": "3" },
    });
  });

  it("replaces a file only by another content, in one step and with its mode", () => {
    const { stdout } = isolated(`${source} echo a | replace /etc/x/file 0640; stat -c '%a' /etc/x/file
      inode=$(stat -c %i /etc/x/file); echo a | replace /etc/x/file 0640; [ "$inode" = "$(stat -c %i /etc/x/file)" ] && echo same
      exec 3</etc/x/file; echo b | replace /etc/x/file 0640; cat <&3; cat /etc/x/file; ls -A /etc/x`);
    expect(stdout).toBe("640\nsame\na\nb\nfile\n");
  });

  it("gives the VM an id once, which only root can read", () => {
    const { stdout } = isolated(`${source} create_id; id=$(cat /etc/foundation/vm-id); create_id
      [[ $id =~ ^[0-9a-f]{32}$ && $id = "$(cat /etc/foundation/vm-id)" ]] && stat -c %a /etc/foundation/vm-id`);
    expect(stdout).toBe("600\n");
  });

  it("remembers what took effect, and forgets it when a file changes or goes", () => {
    const { stdout } =
      isolated(`${source} mkdir -p /var/lib/foundation; state() { if is_applied x; then echo yes; else echo no; fi; }
      echo a >/etc/a; echo b >/etc/b; state; applied x /etc/a /etc/b; state; echo c >/etc/b; state
      applied x /etc/a /etc/b; rm /etc/a; state`);
    expect(stdout).toBe("no\nyes\nno\nno\n");
  });

  it("rotates Vault's audit log in a way that logrotate accepts and Docker survives", () => {
    const { stdout } = isolated(`${source} configure_log_rotation; cat /etc/logrotate.d/foundation-vault`);
    expect(stdout).toBe(`/var/lib/docker/volumes/vault-logs/_data/audit.log {
  size 50M
  rotate 10
  compress
  delaycompress
  missingok
  notifempty
  su root root
  nocreate
  postrotate
    pid=$(docker inspect --format '{{.State.Pid}}' vault 2>/dev/null) && [ "$pid" -gt 0 ] && kill -HUP "$pid" || true
  endscript
}
`);
  });

  it("is delivered with the other scripts, which it puts in place before it starts", () => {
    const scripts = { ...readScripts(SCRIPTS), host: 'main() { echo "main $*"; ls /usr/local/lib/foundation; }\n' };
    const { code, stdout, stderr } = isolated(
      `bash -s -- debian 2200; cd /usr/local/lib/foundation; stat -c '%a' . firewall; cmp firewall ${DIRECTORY}/firewall.sh`,
      hostInstaller(scripts),
    );
    expect([code, stderr]).toEqual([0, ""]);
    const installed = SCRIPTS.filter((name) => name !== "host" && !name.startsWith("offsite")).join("\n");
    expect(stdout).toBe(`main debian 2200\n${installed}\n755\n755\n`);
  });
});

describe.skipIf(!permitted)("the forge's scripts", () => {
  const inForge = (failures: number) =>
    isolated(`. ./forgejo-api.sh; sleep() { :; }
      docker() {
        echo >>/run/calls
        if [ "$(wc -l </run/calls)" -le ${String(failures)} ]; then echo "OCI runtime exec failed"; return 126; fi
        cat; echo "$*"
      }
      in_container input forgejo curl || echo "exit $?"`);

  it("ask Docker again where it could not start a command, with the same input", () => {
    const { stdout, stderr } = inForge(1);
    expect(stdout).toBe("input\nexec -i forgejo curl\n");
    expect(stderr).toBe("forgejo: attempt 1: OCI runtime exec failed\n");
  });

  it("say why where it never could", () => {
    const { stdout, stderr } = inForge(3);
    expect(stdout).toBe("OCI runtime exec failed\nexit 126\n");
    expect(stderr).toContain("forgejo: attempt 3: OCI runtime exec failed\n");
  });
});

describe.skipIf(!permitted)("git gc at night", () => {
  const state = "/var/lib/docker/volumes/backup-data/_data/state";
  /** The script beside a Docker that says what it is asked for, and after `setup`. */
  const collect = (setup: string): Ended =>
    isolated(`mkdir -p /usr/local/bin ${state}; export PATH=/usr/local/bin:$PATH
      printf '#!/bin/sh\\n[ "$1" != container ] || exec test -d ${state}\\necho "docker $1 $2 $3 $4 $5 $6"\\n' >/usr/local/bin/docker; chmod +x /usr/local/bin/docker
      good() { touch ${state}/lock; echo $(($(date +%s) + 60)) >${state}/healthy-until; }
      ${setup}
      ./forgejo-gc.sh`);

  it("runs in the forge's own container, for less time than a backup waits", () => {
    expect(collect("good")).toEqual({
      code: 0,
      stdout: "docker exec --user 1000 forgejo timeout 1500\n",
      stderr: "",
    });
  });

  it("runs where no backup is configured", () => {
    expect(collect(`rm -r ${state}`).stdout).toBe("docker exec --user 1000 forgejo timeout 1500\n");
  });

  it("waits for a backup that runs", () => {
    const { stdout } = collect(`good; flock ${state}/lock sh -c 'sleep 1; echo backed up' & sleep 0.3`);
    expect(stdout).toBe("backed up\ndocker exec --user 1000 forgejo timeout 1500\n");
  });

  it.each([
    ["there was none yet", "true", "there was no backup yet"],
    [
      "the last one failed",
      `good; echo 0 >${state}/healthy-until`,
      "the newest backup is late or the last one failed: npx foundation backup status",
    ],
  ])("leaves the repositories alone where %s", (_, setup, reason) => {
    expect(collect(setup)).toEqual({ code: 0, stdout: `git gc: not tonight: ${reason}\n`, stderr: "" });
  });

  it("packs what has many loose objects, although git is told not to do so by itself", () => {
    const repository = "/var/lib/gitea/git/repositories/a/b.git";
    const { code, stdout, stderr } = isolated(`mkdir -p /usr/local/bin ${repository}; export PATH=/usr/local/bin:$PATH
      cat >/usr/local/bin/docker <<'END'
#!/bin/sh
[ "$1" = exec ] || exit 1
shift 4; exec "$@"
END
      chmod +x /usr/local/bin/docker
      export HOME=/run; git config --global gc.auto 0; git config --global user.email a@b; git config --global user.name a
      cd ${repository}; git init --quiet --bare --initial-branch=main
      for i in $(seq 2000); do echo $i; done | while read i; do printf 'blob\\nmark :%d\\ndata %d\\n%s\\n' $i \${#i} $i; done >/run/in
      { cat /run/in; printf 'commit refs/heads/main\\ncommitter a <a@b> 0 +0000\\ndata 1\\nx\\n'; for i in $(seq 2000); do echo "M 100644 :$i f$i"; done; } |
        git -c fastimport.unpackLimit=10000 fast-import --quiet
      git count-objects; git gc --auto --quiet; git count-objects
      ${DIRECTORY}/forgejo-gc.sh; git count-objects; git fsck --no-progress`);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout.replace(/, \d+ kilobytes/g, "")).toBe("2002 objects\n2002 objects\n0 objects\n");
  });
});

describe("scripts that write a password into other languages", () => {
  const refusals: [ScriptName, string[], string, number, string][] = [
    ["postgres-superuser", [], "it's", 64, "postgres: password has unexpected characters\nhint: report this\n"],
    ["postgres-superuser", [], "", 64, "postgres: password has unexpected characters\nhint: report this\n"],
    [
      "postgres-superuser",
      ["team", "x'}"],
      "password",
      64,
      "postgres: name has unexpected characters: x'}\nhint: report this\n",
    ],
    [
      "s3-consumer",
      ["consumer-team", "data"],
      'access\nsecret\nk"y',
      1,
      "s3: key has unexpected characters\nhint: on the VM: docker logs --tail 50 rustfs\n",
    ],
    [
      "forgejo-consumer",
      ["operator", "team-robot", "team", "write"],
      'password\nsec"ret',
      1,
      "forgejo: password has unexpected characters\nhint: on the VM: docker logs --tail 50 forgejo\n",
    ],
    [
      "forgejo-token",
      ["operator", "team-robot", "write", "0"],
      'pass"word',
      1,
      "forgejo: password has unexpected characters\nhint: on the VM: docker logs --tail 50 forgejo\n",
    ],
    [
      "postgres-database",
      ["forgejo"],
      "a'; DROP ROLE x; --",
      64,
      "postgres: name or password has unexpected characters: forgejo\nhint: report this\n",
    ],
    [
      "postgres-database",
      ['x"; --'],
      "password",
      64,
      'postgres: name or password has unexpected characters: x"; --\nhint: report this\n',
    ],
    [
      "forgejo-admin",
      ["operator", "ops@example.org", "platform"],
      'pass"word',
      1,
      "forgejo: password has unexpected characters\nhint: on the VM: docker logs --tail 50 forgejo\n",
    ],
  ];
  it.each(refusals)("%s refuses what would not be read as it is: %j, %j", (name, args, password, code, message) => {
    const { status, stdout, stderr } = spawnSync("bash", [`${DIRECTORY}/${name}.sh`, ...args], {
      encoding: "utf8",
      input: `${password}\n`,
    });
    expect([status, stdout, stderr]).toEqual([code, "", message]);
  });
});

describe.skipIf(!permitted)("offsite", () => {
  const script = "./offsite.sh";
  const base = "/var/lib/foundation-offsite";

  it("finds a host free on which there is nothing", () => {
    expect(isolated(`${script} check 0123456789abcdef 8000`)).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("does not take a directory that does not say whose it is", () => {
    const { code, stderr } = isolated(`mkdir -p ${base}/data; ${script} check 0123456789abcdef 8000`);
    expect([code, stderr]).toEqual([
      8,
      `offsite: ${base} holds backups of another foundation (it does not say which), not of 0123456789abcdef\n` +
        `hint: choose another offsite; or, if they may go: mv ${base} ${base}.before (on the offsite)\n`,
    ]);
  });

  it("refuses files that it does not know, and ids that are none", () => {
    const serve = (files: Record<string, string>) =>
      isolated(
        `mkdir -p /run; ${script} serve 0123456789abcdef 8000 server restic 0 15 <<'END'\n${bundle(files)}END\nls /run`,
      );
    expect(serve({ "../x": "y" })).toMatchObject({
      code: 64,
      stderr: "offsite: not a file of the offsite: ../x\nhint: report this\n",
    });
    expect(serve({ vm_id: "me" })).toMatchObject({
      code: 64,
      stderr: "offsite: not the id of a VM: me\nhint: report this\n",
    });
  });

  it("watches whether backups arrive, and tells once when they stay away and once when they are back", () => {
    const { code, stdout, stderr } = isolated(`mkdir -p ${base}/data/foundation-0123456789abcdef/snapshots
      echo 0123456789abcdef >${base}/owner; echo 15 >${base}/every-minutes; echo {} >${base}/repository.json
      printf '#!/bin/sh\\necho "alarm $1: $2"\\n' >${base}/alarm; chmod +x ${base}/alarm
      look() { ${script} watch || echo "exit $?"; }
      look
      touch -d '-31 minutes' ${base}/repository.json; look; look
      touch ${base}/data/foundation-0123456789abcdef/snapshots/new; look
      ${script} status 2>/dev/null | grep -o '^watched=ok'`);
    expect([code, stderr]).toEqual([0, ""]);
    const late = "the newest backup is 31 min old, and one is due every 15 min";
    const fresh = "the newest backup is 0 min old, and one is due every 15 min";
    expect(stdout.split("\n")).toEqual([
      `offsite: ok: ${fresh}`,
      ...[`alarm late: ${late}`, `offsite: late: ${late}`, "exit 1"],
      ...[`offsite: late: ${late}`, "exit 1"],
      ...[`alarm ok: ${fresh}`, `offsite: ok: ${fresh}`],
      "watched=ok",
      "",
    ]);
  });

  it("runs as root only, and says so", () => {
    expect(isolated(`setpriv --reuid 65534 --clear-groups ./offsite.sh status`)).toMatchObject({
      code: 9,
      stderr: "offsite: not root\nhint: give the SSH user of the offsite password-less sudo\n",
    });
  });
});
