import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newPulumiKey } from "../../keys/pulumi-secrets.ts";
import { examineCopies, examinePassphrase } from "../../unseal-helper/doctor-files.ts";
import { type Finding, judgeEndpoint, judgeHost, judgeVersion } from "../../unseal-helper/doctor.ts";
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
    const { keys, keyFile, shareFile } = program;
    const copies = async (): Promise<Finding[]> => await examineCopies([keyFile, shareFile], { PATH: "/usr/bin:/bin" });
    git("init", "-q");
    const cure = `git add ${keyFile} ${shareFile} && git commit -m "Update the keys" && git push`;
    const what = "not committed: prod.key.json, prod.shares.json";
    expect((await copies())[0]).toEqual({ check: "commit", what, cure });
    git("add", ".");
    git("commit", "-qm", "keys");
    expect(await copies()).toEqual([
      {
        check: "copies",
        what: "the repository has no remote: this disk has the only copy",
        cure: "git remote add origin URL && git push -u origin HEAD",
      },
    ]);
    const remote = join(keys, "..", "remote.git");
    execFileSync("git", ["init", "-q", "--bare", remote]);
    git("remote", "add", "origin", remote);
    expect((await copies()).map((finding) => finding.cure)).toEqual(["git push"]);
    git("push", "-q", "origin", "HEAD");
    expect(await copies()).toEqual([]);
  });

  it("finds a passphrase that opens one and not the other", async () => {
    const { salt } = await newPulumiKey(Buffer.from(OTHER));
    const config = join(project, "Pulumi.prod.yaml");
    writeFileSync(config, `encryptionsalt: ${salt}\nconfig: {}\n`);
    expect((await doctor()).findings.get("passphrase")).toEqual({
      check: "passphrase",
      what: `does not open ${config}`,
      cure: "with both passphrases: npx foundation vault passphrase rotate; if the old one is lost: npx foundation vault passphrase reset",
    });
    const other = (await doctor(OTHER)).findings;
    expect(other.get("passphrase")?.what).toBe(`does not open ${program.keyFile}`);
  });

  it("finds a passphrase that can be guessed", async () => {
    const { keyFile } = program;
    const args = { passphrase: Buffer.from("password1"), isKey: true, keyFile, project, stack: "none", env: {} };
    expect(await examinePassphrase(args)).toEqual([
      {
        check: "weak-passphrase",
        what: "about 7 bits, at least 77 are needed: the key file can be guessed at offline",
        cure: "npx foundation vault passphrase rotate",
      },
    ]);
  });

  it("finds a sealed Vault and another version than the configured one", async () => {
    await program.run("seal");
    const config = join(project, "Pulumi.prod.yaml");
    writeFileSync(config, "config:\n  foundation:images:\n    vault: registry.test/vault:9.8.7@sha256:00\n");
    const { findings } = await doctor();
    expect(findings.get("vault")).toEqual({ check: "vault", what: "sealed", cure: "npx foundation vault unseal" });
    expect(findings.get("version")?.what).toBe("Vault is 0.0.0, the configuration wants 9.8.7");
  });

  it("finds open endpoints, a clock ten years off and a full audit disk, with the command that cures each", async () => {
    await program.run("unseal");
    program.vm.vault.version = "2.1.2";
    program.vm.vault.openFamilies = ["generate-root", "rekey"];
    program.vm.replaceProgram("date", `echo $((\$(/bin/date +%s) + 315360000))`);
    program.vm.replaceProgram("df", 'printf "Use%%\\n%s\\n" " 97%"');
    writeFileSync(join(project, "Pulumi.prod.yaml"), "config: {}\n");
    const { code, stdout, stderr } = await program.run("doctor", "--project", project);
    expect({ code, stderr }).toEqual({ code: 2, stderr: "" });
    expect(stdout.replace(/paper: .*\n.*\n/, "").replace(/\d{9} s/, "N s")).toBe(
      "endpoint: sys/generate-root/attempt: answers without a token\n" +
        "  cure: npx foundation vault verify (any command that opens the file closes them)\n" +
        "endpoint: sys/rekey/init: answers without a token\n" +
        "  cure: npx foundation vault verify (any command that opens the file closes them)\n" +
        "clock: the VM's clock and this one differ by N s\n" +
        "  cure: timedatectl set-ntp true (on the one that is wrong)\n" +
        "disk: the disk of vault-logs is 97 % full: at 100 % Vault stops\n" +
        "  cure: logrotate -f /etc/logrotate.d/foundation-vault (on the VM); if that is not enough, a larger disk\n" +
        "disk: the disk of vault-data is 97 % full: at 100 % Vault stops\n" +
        "  cure: docker image prune --all --force (on the VM); if that is not enough, a larger disk\n",
    );
    expect((await program.run("verify")).code).toBe(0);
    expect(program.vm.vault.openFamilies).toEqual([]);
  });

  it.each([
    ["2.1.2", "2.1.2", []],
    ["2.1.2", "2.10.0", ["pulumi up"]],
    ["2.1.2", "1.21.2", ["git pull: Vault is never put back to an older version"]],
  ])("judges Vault %s where %s is wanted", (version, wanted, cures) => {
    expect(judgeVersion(version, wanted).map(({ cure }) => cure)).toEqual(cures);
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
    ["a full disk", { data: 97 }, ["the disk of vault-data is 97 % full: at 100 % Vault stops"]],
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
