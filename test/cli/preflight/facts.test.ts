import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { parseFacts, type HostFacts } from "../../../cli/preflight/facts.ts";

const answer = `os_id=debian
os_version=13
os_name=Debian GNU/Linux 13 (trixie)
memory_kib=4028440
disk_free_kib=39000000
disk_mount=/
listener=443|nginx
listener=80|
docker=26.1.5
container=postgres|f00d||
container=caddy|f00d|0.0.0.0:80->80/tcp, [::]:80->80/tcp, 0.0.0.0:8000-8002->9000-9002/tcp, 443/tcp, 0.0.0.0:53->53/udp
volume=postgres-data|f00d
network=bridge|
clock=1795289257.081010357
`;

describe("parseFacts", () => {
  test("reads every kind of line", () => {
    expect(parseFacts(answer)).toEqual({
      os: { id: "debian", version: "13", name: "Debian GNU/Linux 13 (trixie)" },
      memoryKiB: 4028440,
      diskFreeKiB: 39000000,
      diskMount: "/",
      listeners: [
        { port: 443, process: "nginx" },
        { port: 80, process: "" },
      ],
      docker: "26.1.5",
      containers: [
        { name: "postgres", owner: "f00d", publishedPorts: [] },
        { name: "caddy", owner: "f00d", publishedPorts: [80, 8000, 8001, 8002] },
      ],
      volumes: [{ name: "postgres-data", owner: "f00d" }],
      networks: [{ name: "bridge", owner: "" }],
      clockSeconds: 1795289257.081010357,
    });
  });

  test("knows a user who cannot become root", () => {
    expect(parseFacts("root=no\nuser=deploy\n")).toEqual({ rootless: true, user: "deploy" });
  });

  test("takes no half answer for a whole one", () => {
    expect(() => parseFacts(answer.slice(0, -40))).toThrow("preflight: the VM's answer was cut off");
  });
});

test("preflight.sh tells the truth about this machine", async () => {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const script = readFileSync(new URL("../../../cli/preflight/preflight.sh", import.meta.url), "utf8");
  const output = execFileSync("bash", ["-s", "--", String(port), "9"], { input: script, encoding: "utf8" });
  listener.close();
  const facts = parseFacts(output) as HostFacts;
  expect(facts.listeners).toEqual([{ port, process: readFileSync("/proc/self/comm", "utf8").trim() }]);
  expect(facts.memoryKiB).toBe(Number(/MemTotal:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]));
  expect(facts.os.version).toBe(/^VERSION_ID="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1]);
  expect(facts.diskFreeKiB).toBeGreaterThan(0);
  expect(Math.abs(facts.clockSeconds - Date.now() / 1000)).toBeLessThan(30);
});
