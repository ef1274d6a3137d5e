import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newPulumiKey } from "../../keys/pulumi-secrets.ts";
import { type Finding, judgeEndpoint, judgeHost } from "../../unseal-helper/doctor.ts";
import { PASSPHRASE, Program } from "./program.ts";

const OTHER = "gossip-mulberry-trapeze-unwound-cactus-shabby-pelican";
const program = new Program();
const project = join(program.vm.directory, "project");

beforeAll(async () => {
  await program.start();
  mkdirSync(project);
  writeFileSync(join(project, "Pulumi.yaml"), "name: foundation\nbackend:\n  url: file://./state\n");
}, 60_000);
afterAll(() => program.vm.stop());

const git = (...args: string[]): string =>
  execFileSync("git", ["-C", program.keys, "-c", "user.name=x", "-c", "user.email=x@x.test", ...args], {
    encoding: "utf8",
    stdio: "pipe",
  });

async function doctor(passphrase = PASSPHRASE): Promise<{ code: number | null; findings: Map<string, Finding> }> {
  const env = { PULUMI_CONFIG_PASSPHRASE: passphrase };
  const { code, stdout, stderr } = await program.runWith({ env }, "doctor", "--json", "--project", project);
  if (stdout === "") throw new Error(stderr);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return { code, findings: new Map(findings.map((finding) => [finding.check, finding])) };
}

describe("doctor", { timeout: 60_000 }, () => {
  it("finds keys that are on this disk alone", async () => {
    const { code, findings } = await doctor();
    expect(code).toBe(2);
    expect(findings.get("copies")?.what).toBe(`${program.keys}: in no git repository: this disk has the only copy`);
    expect(findings.get("paper")?.cure).toBe("npx foundation vault shares print --out DIR");
  });

  it("finds files that are not committed, and commits that are not pushed", async () => {
    git("init", "-q");
    expect((await doctor()).findings.get("commit")?.what).toMatch(/^not committed: /);
    git("add", ".");
    git("commit", "-qm", "keys");
    const committed = (await doctor()).findings;
    expect(committed.get("commit")).toBeUndefined();
    expect(committed.get("copies")?.what).toBe("the repository has no remote: this disk has the only copy");
    const remote = join(program.vm.directory, "remote.git");
    execFileSync("git", ["init", "-q", "--bare", remote]);
    git("remote", "add", "origin", remote);
    expect((await doctor()).findings.get("copies")?.cure).toBe("git push");
    git("push", "-q", "origin", "HEAD");
    expect((await doctor()).findings.get("copies")).toBeUndefined();
  });

  it("finds a passphrase that opens one and not the other", async () => {
    const { salt } = await newPulumiKey(Buffer.from(OTHER));
    const config = join(project, "Pulumi.prod.yaml");
    writeFileSync(config, `encryptionsalt: ${salt}\nconfig: {}\n`);
    expect((await doctor()).findings.get("passphrase")?.what).toBe(`does not open ${config}`);
    const other = (await doctor(OTHER)).findings;
    expect(other.get("passphrase")?.what).toBe(`does not open ${program.keyFile}`);
    const neither = (await doctor("password1")).findings;
    expect(neither.get("weak-passphrase")?.what).toMatch(/^about \d+ bits, at least 77 are needed/);
  });

  it("finds a sealed Vault and another version than the configured one", async () => {
    await program.run("seal");
    const config = join(project, "Pulumi.prod.yaml");
    writeFileSync(config, "config:\n  foundation:images:\n    vault: registry.test/vault:9.8.7@sha256:00\n");
    const { findings } = await doctor();
    expect(findings.get("vault")).toEqual({ check: "vault", what: "sealed", cure: "npx foundation vault unseal" });
    expect(findings.get("version")?.what).toBe("Vault is 0.0.0, the configuration wants 9.8.7");
  });

  const now = 1_800_000_000;
  const facts = { earliest: now, latest: now + 2, clock: now + 1, logs: 20, data: 30 };
  it.each<[string, Partial<typeof facts>, string[]]>([
    ["nothing", {}, []],
    ["a small skew", { clock: now - 29 }, []],
    ["a clock that is slow", { clock: now - 40 }, ["the VM's clock and this one differ by 40 s"]],
    [
      "a clock that is ten years fast",
      { clock: now + 315_360_002 },
      ["the VM's clock and this one differ by 315360000 s"],
    ],
    ["a full audit disk", { logs: 97 }, ["the disk of vault-logs is 97 % full: at 100 % Vault stops"]],
    ["a missing volume", { data: -1 }, ["the VM has no volume vault-data"]],
  ])("finds %s on the VM", (_, change, found) => {
    expect(judgeHost({ ...facts, ...change }).map(({ what }) => what)).toEqual(found);
  });

  it.each<[string, number, boolean, number]>([
    ["2.1.2", 403, false, 0],
    ["2.1.2", 200, false, 1],
    ["1.21.2", 200, false, 0],
    ["1.21.2", 200, true, 1],
  ])("judges an endpoint of Vault %s that answers %i (attempt %s)", (version, status, started, count) => {
    expect(judgeEndpoint("sys/rekey/init", version, status, started)).toHaveLength(count);
  });
});
