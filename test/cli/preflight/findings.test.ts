import { describe, expect, test } from "vitest";
import type { HostFacts } from "../../../cli/preflight/facts.ts";
import { exitCodeOf, formatFinding, judge } from "../../../cli/preflight/findings.ts";
import type { PreflightRequest } from "../../../cli/preflight/request.ts";
import { EXIT } from "../../../errors.ts";

const request: PreflightRequest = {
  target: { address: "vm.example.org", user: "root", port: 22, hostKey: "ssh-ed25519 AAAA" },
  ports: [80, 443, 2222],
  ownerId: "f00d",
  containers: ["postgres", "caddy"],
  volumes: ["postgres-data"],
  networks: ["caddy-public"],
  minimumDiskGib: 10,
  minimumMemoryMib: 3500,
};
const bare: HostFacts = {
  os: { id: "debian", version: "13", name: "Debian GNU/Linux 13 (trixie)" },
  memoryKiB: 4 * 1024 * 1024,
  diskFreeKiB: 38 * 1024 * 1024,
  diskMount: "/",
  listeners: [],
  docker: "absent",
  containers: [],
  volumes: [],
  networks: [],
  clockSeconds: 1000,
};
const asked = { fromSeconds: 999, toSeconds: 1001 };

function findings(changes: Partial<HostFacts>): { lines: string[]; exitCode: number } {
  const found = judge({ ...bare, ...changes }, request, asked);
  return { lines: found.flatMap((finding) => formatFinding(finding).split("\n")), exitCode: exitCodeOf(found) };
}

describe("a fit VM", () => {
  test.each<[string, Partial<HostFacts>]>([
    ["bare, without Docker", {}],
    ["Debian 12", { os: { id: "debian", version: "12", name: "Debian GNU/Linux 12 (bookworm)" } }],
    ["Ubuntu 24.04", { os: { id: "ubuntu", version: "24.04", name: "Ubuntu 24.04.3 LTS" } }],
    [
      "already ours: names and ports in use by our own containers",
      {
        docker: "26.1.5",
        containers: [
          { name: "postgres", owner: "f00d", publishedPorts: [] },
          { name: "caddy", owner: "f00d", publishedPorts: [80, 443] },
        ],
        volumes: [{ name: "postgres-data", owner: "f00d" }],
        networks: [{ name: "caddy-public", owner: "f00d" }],
        listeners: [{ port: 443, process: "docker-proxy" }],
      },
    ],
    [
      "somebody else's containers under other names",
      { containers: [{ name: "x", owner: "", publishedPorts: [8080] }] },
    ],
    ["a clock within a minute", { clockSeconds: 1061 }],
  ])("%s", (_title, changes) => {
    expect(findings(changes)).toEqual({ lines: [], exitCode: EXIT.ok });
  });
});

describe("an unfit VM", () => {
  test.each<[string, Partial<HostFacts>, number, string, string]>([
    [
      "unsupported operating system",
      { os: { id: "alpine", version: "3.22.1", name: "Alpine Linux v3.22" } },
      EXIT.host,
      "error: preflight: unsupported operating system: Alpine Linux v3.22",
      "hint: install one of: Debian 12, Debian 13, Ubuntu 24.04",
    ],
    [
      "disk too small",
      { diskFreeKiB: 3.25 * 1024 * 1024, diskMount: "/var/lib/docker" },
      EXIT.host,
      "error: preflight: disk too small: 3.3 GiB free on /var/lib/docker, 10 GiB are needed",
      "hint: make room or enlarge the disk; what takes the space: du -xh --max-depth=2 /var/lib/docker | sort -h | tail",
    ],
    [
      "port taken by a process",
      { listeners: [{ port: 443, process: "nginx" }] },
      EXIT.host,
      "error: preflight: port 443 is taken by nginx",
      "hint: stop it on the VM, for good; who it is: ss -ltnp sport = :443",
    ],
    [
      "port taken by nobody knows whom",
      { listeners: [{ port: 80, process: "" }] },
      EXIT.host,
      "error: preflight: port 80 is taken by another process",
      "hint: stop it on the VM, for good; who it is: ss -ltnp sport = :80",
    ],
    [
      "port taken by somebody else's container",
      { containers: [{ name: "traefik", owner: "", publishedPorts: [2222] }], docker: "26.1.5" },
      EXIT.host,
      "error: preflight: port 2222 is taken by container traefik",
      "hint: stop it on the VM, for good; who it is: ss -ltnp sport = :2222",
    ],
    [
      "container under our name without an owner",
      { containers: [{ name: "postgres", owner: "", publishedPorts: [] }] },
      EXIT.refused,
      "error: preflight: container postgres exists and is not ours: it has no foundation.owner label",
      "hint: look at it on the VM (docker container inspect postgres), then docker rename postgres postgres-old, or choose another VM",
    ],
    [
      "volume of another foundation",
      { volumes: [{ name: "postgres-data", owner: "beef" }] },
      EXIT.refused,
      "error: preflight: volume postgres-data exists and is not ours: owner beef",
      "hint: look at it on the VM (docker volume inspect postgres-data), then save what it holds and remove it, or choose another VM",
    ],
    [
      "network under our name",
      { networks: [{ name: "caddy-public", owner: "" }] },
      EXIT.refused,
      "error: preflight: network caddy-public exists and is not ours: it has no foundation.owner label",
      "hint: look at it on the VM (docker network inspect caddy-public), then docker network rm caddy-public, or choose another VM",
    ],
    [
      "clock ahead",
      { clockSeconds: 1001 + 95 },
      EXIT.host,
      "error: preflight: the VM's clock is 95 s ahead of this machine's",
      "hint: certificates and tokens depend on it; on whichever is wrong: timedatectl set-ntp true",
    ],
    [
      "clock behind",
      { clockSeconds: 999 - 3600 },
      EXIT.host,
      "error: preflight: the VM's clock is 3600 s behind this machine's",
      "hint: certificates and tokens depend on it; on whichever is wrong: timedatectl set-ntp true",
    ],
    [
      "Docker that does not answer",
      { docker: "silent" },
      EXIT.host,
      "error: preflight: Docker is installed and does not answer",
      "hint: on the VM: systemctl start docker; journalctl -u docker -n 50",
    ],
    [
      "little memory, which is no reason to stop",
      { memoryKiB: 2 * 1024 * 1024 },
      EXIT.ok,
      "warning: preflight: 2048 MiB of memory, this size expects 3500 MiB",
      "hint: it will start, and run out of memory under load: give the VM more or choose a smaller foundation:size",
    ],
  ])("%s", (_title, changes, exitCode, message, hint) => {
    expect(findings(changes)).toEqual({ lines: [message, hint], exitCode });
  });

  test("a full disk does not stop an update of what already runs there", () => {
    const ours = { containers: [{ name: "postgres", owner: "f00d", publishedPorts: [] }], diskFreeKiB: 1024 * 1024 };
    expect(findings(ours).lines[0]).toBe("warning: preflight: disk too small: 1.0 GiB free on /, 10 GiB are needed");
    expect(findings(ours).exitCode).toBe(EXIT.ok);
  });

  test("no way to become root", () => {
    const found = judge({ rootless: true, user: "deploy" }, request, asked);
    expect(found.map(formatFinding)).toEqual([
      "error: preflight: user deploy is not root and may not use sudo without a password\n" +
        "hint: on the VM, as root: echo 'deploy ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/foundation",
    ]);
    expect(exitCodeOf(found)).toBe(EXIT.host);
  });

  test("everything is reported at once, and what could destroy data decides the exit code", () => {
    const { lines, exitCode } = findings({
      os: { id: "arch", version: "", name: "" },
      volumes: [{ name: "postgres-data", owner: "" }],
      listeners: [{ port: 80, process: "apache2" }],
    });
    expect(lines.filter((line) => line.startsWith("error"))).toEqual([
      "error: preflight: volume postgres-data exists and is not ours: it has no foundation.owner label",
      "error: preflight: unsupported operating system: unknown",
      "error: preflight: port 80 is taken by apache2",
    ]);
    expect(exitCode).toBe(EXIT.refused);
  });
});
