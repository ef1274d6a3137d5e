import { spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PASSPHRASE, Program } from "./program.ts";

const program = new Program();
const { vm } = program;

beforeAll(async () => {
  vm.vault.version = "2.1.2";
  await program.start();
}, 120_000);
afterAll(() => vm.stop());

const SHOW_TOKEN = ["node", "-e", "console.log(process.env.VAULT_TOKEN, process.env.VAULT_ADDR)"];

/** Tokens that are alive, but for those of the Pulumi program. */
function liveTokens(): string[] {
  return [...(vm.vault.storage?.tokens ?? [])];
}

// Each run is a process of its own, on machines that may be busy.
describe("the program", { timeout: 120_000 }, () => {
  it("runs a program with a token that is dead afterwards, and closes what it had opened before", async () => {
    const config = readFileSync(vm.config, "utf8");
    const before = liveTokens();
    const { code, stdout, stderr } = await program.run("breakglass", "--", ...SHOW_TOKEN);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^hvs\.\S+ http:\/\/127\.0\.0\.1:\d+\nvault: node ended with 0; the token is revoked\n$/);
    expect(liveTokens()).toEqual(before);
    expect(readFileSync(vm.config, "utf8")).toBe(config);
    expect(statSync(vm.config).mode & 0o777).toBe(0o400);
    expect(vm.vault.openFamilies).toEqual([]);
    const commands = vm.sshCalls().map(({ argv }) => argv.at(-1) ?? "");
    expect(commands.filter((line) => line.includes(" open-endpoint "))).toHaveLength(1);
    expect(commands.filter((line) => line.endsWith(" close-endpoints"))).toHaveLength(1);
  });

  it("tells how the program ended", async () => {
    const { code, stdout } = await program.run("breakglass", "--json", "--", "sh", "-c", "exit 5");
    expect({ code, result: JSON.parse(stdout) as object }).toEqual({ code: 1, result: { code: 5 } });
    const missing = await program.run("breakglass", "--", "no-such-program");
    expect(missing).toMatchObject({ code: 1, stdout: "vault: no-such-program ended with 127; the token is revoked\n" });
  });

  it("gives the program an address at which Vault answers", async () => {
    const script =
      "fetch(process.env.VAULT_ADDR + '/v1/auth/token/lookup-self', { headers: { 'X-Vault-Token': process.env.VAULT_TOKEN } })" +
      ".then((answer) => console.log(answer.status))";
    expect((await program.run("breakglass", "--", "node", "-e", script)).stdout).toMatch(/^200\n/);
  });

  it("revokes the token when it is interrupted", async () => {
    const before = liveTokens();
    const main = join(import.meta.dirname, "../../unseal-helper/main.ts");
    const argv = [main, "breakglass", "--keys", program.keys, "--", "sh", "-c", "echo ready; exec sleep 60"];
    const env = vm.environment({ PULUMI_CONFIG_PASSPHRASE: PASSPHRASE });
    const child = spawn(process.execPath, argv, { env, stdio: ["ignore", "pipe", "pipe"] });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    expect(liveTokens()).toHaveLength(before.length + 1);
    child.kill("SIGINT");
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code).toBe(130);
    expect(liveTokens()).toEqual(before);
    expect(vm.vault.openFamilies).toEqual([]);
  });

  it("closes first what a killed run has left open, whatever the command", async () => {
    vm.vault.openFamilies = ["generate-root"];
    expect((await program.run("unseal", "--dry-run")).stderr).toBe(
      "vault: an earlier run was killed and left its endpoints open; closing them\n",
    );
    expect(vm.vault.openFamilies).toEqual([]);
  });

  it("replaces the shares and proves them", async () => {
    const { code, stdout, stderr } = await program.run("rekey");
    expect({ code, stderr: stderr.replace(/[0-9a-f-]{36}/g, "ID") }).toEqual({
      code: 0,
      stderr: "vault: replacing the shares of epoch ID by those of epoch ID\n",
    });
    expect(stdout.replace(/[0-9a-f-]{36}/g, "ID")).toBe(
      "vault: epoch ID is in force, epoch ID is retired\n" +
        "commit the share file; sheets of the retired epoch open Vault no more: npx foundation vault shares print --out DIR\n",
    );
    const verified = await program.run("verify");
    expect(verified.stdout.replace(/[0-9a-f-]{36}/g, "ID")).toBe(
      "epoch ID COMMITTED: 6 shares in the file, 0 on paper, 3 open\n".repeat(2) + "vault: the one of this file\n",
    );
    expect((await program.run("verify", "--offline")).stdout).toMatch(/vault: not asked\n$/);
    expect((await program.run("seal")).code).toBe(0);
    expect((await program.run("verify")).code).toBe(2);
    expect((await program.run("unseal")).code).toBe(0);
  });

  it("shows no share and no token of its own", () => {
    const seen = [
      JSON.stringify(vm.sshCalls()),
      readFileSync(program.shareFile, "utf8"),
      program.output.replace(/^hvs.*$/gm, ""),
    ].join();
    expect(vm.vault.secrets.length).toBeGreaterThan(20);
    expect(vm.vault.secrets.filter((secret) => seen.includes(secret))).toEqual([]);
  });
});
