import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deriveSecrets } from "../../keys/derive.ts";
import type { Storage } from "./fake-vault.ts";
import { Program } from "./program.ts";
import { packSnapshot } from "./snapshot-file.ts";

const program = new Program();
const { vm } = program;
const path = join(vm.directory, "daily.snap");
let epoch = "";
let original: Storage;

beforeAll(async () => {
  await program.start();
  original = vm.vault.storage as Storage;
  const { vaultAppRole } = deriveSecrets(program.masterKey);
  for (const role of ["backup", "operator"].map(vaultAppRole)) original.roles.set(role.roleId, role.secretId);
  original.values.set("entry", { word: "kept" });
  epoch = (JSON.parse(readFileSync(program.shareFile, "utf8")) as { epochs: { id: string }[] }).epochs[0]?.id ?? "";
}, 60_000);
afterAll(() => vm.stop());

/** A VM that was made anew: Vault and its volume are empty. */
function emptyVault(): void {
  vm.vault.storage = undefined;
  vm.vault.restart();
  rmSync(join(vm.volume, ".foundation-epoch"), { force: true });
}

const liveTokens = (): number => original.tokens.size;

// Each run is a process of its own, on machines that may be busy.
describe("snapshot", { timeout: 60_000 }, () => {
  it("says what it would write", async () => {
    const planned = await program.run("snapshot", path, "--dry-run");
    expect(planned).toEqual({ code: 0, stdout: `would write ${path} and ${path}.json\n`, stderr: "" });
    expect(existsSync(path)).toBe(false);
  });

  it("writes a file that is proven whole, and beside it which shares open it", async () => {
    const before = liveTokens();
    const { code, stdout, stderr } = await program.run("snapshot", path);
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: `${path}: ${readFileSync(path).length} bytes, whole, epoch ${epoch}\n`,
      stderr: "",
    });
    const manifest = JSON.parse(readFileSync(`${path}.json`, "utf8")) as object;
    expect(manifest).toMatchObject({ stack: "prod", epoch, n: 6, t: 3, canary: { path: "entry" } });
    expect(JSON.stringify(manifest)).not.toContain("kept");
    expect(readdirSync(vm.directory).filter((name) => name.includes(".part"))).toEqual([]);
    expect(liveTokens()).toBe(before);
  });

  it("never replaces another one", async () => {
    const again = await program.run("snapshot", path);
    expect(again).toEqual({
      code: 8,
      stdout: "",
      stderr: `error: ${path}: is there already\nhint: choose another name\n`,
    });
  });

  it("says so when there is no place for it", async () => {
    const nowhere = join(vm.directory, "none");
    expect(await program.run("snapshot", join(nowhere, "x.snap"))).toEqual({
      code: 1,
      stdout: "",
      stderr: `error: ${nowhere}/x.snap.part: cannot be written (ENOENT)\nhint: df -h ${nowhere}; ls -ld ${nowhere}\n`,
    });
  });

  it("needs a Vault that is open", async () => {
    vm.vault.restart();
    const sealed = await program.run("snapshot", join(vm.directory, "other.snap"));
    expect(sealed).toEqual({
      code: 2,
      stdout: "",
      stderr: "error: vault: sealed; a snapshot needs it open\nhint: npx foundation vault unseal\n",
    });
    expect((await program.run("unseal")).code).toBe(0);
  });
});

describe("restore", { timeout: 60_000 }, () => {
  it("as a drill does it in a Vault beside the real one, tells how long it took, and removes it", async () => {
    const requests = vm.requests.length;
    const { code, stdout, stderr } = await program.run("restore", path, "--drill");
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `drill: starting a Vault without a network\nvault: loading the snapshot of epoch ${epoch}\n`,
    });
    expect(stdout.replace(/\d+\.\d s/, "N s")).toBe(
      `drill: vault 0.0.0: ${path} restored, opened, its canary is alive (epoch ${epoch}), in N s\n`,
    );
    // The real Vault was asked nothing but whether an earlier run has left it open.
    expect(vm.requests.slice(requests)).toEqual(["GET sys/seal-status"]);
    expect(existsSync(join(vm.directory, "drill"))).toBe(false);
    const json = await program.run("restore", path, "--drill", "--json");
    expect(JSON.parse(json.stdout)).toEqual({
      epoch,
      clusterId: original.clusterId,
      version: "0.0.0",
      canary: true,
      seconds: expect.any(Number) as number,
    });
  });

  it("as a drill says so when the snapshot is not what it was, and removes the Vault all the same", async () => {
    const { snapshot } = vm.drillVault;
    vm.drillVault.snapshot = { ...(snapshot as Storage), values: new Map() };
    const failed = await program.run("restore", path, "--drill");
    vm.drillVault.snapshot = snapshot;
    expect(failed).toMatchObject({ code: 1, stdout: "" });
    expect(failed.stderr).toContain(
      "error: vault: restored, but foundation/entry is not what it was when the snapshot was taken\nhint: ",
    );
    expect(existsSync(join(vm.directory, "drill"))).toBe(false);
  });

  it("is refused by a Vault that is not empty", async () => {
    expect(await program.run("restore", path, "--dry-run")).toMatchObject({
      code: 0,
      stdout: `would restore ${path}, epoch ${epoch}\n`,
    });
    const refused = await program.run("restore", path);
    expect(refused).toMatchObject({ code: 8, stdout: "" });
    expect(refused.stderr).toMatch(/^error: vault: not empty: its volume carries the marker "\S+ STORED"\nhint: /);
    expect(vm.vault.storage).toBe(original);
  });

  it("brings a lost Vault back", async () => {
    emptyVault();
    const refused = await program.run("ensure");
    expect(refused).toMatchObject({ code: 8 });
    expect(refused.stderr).toContain("hint: npx foundation vault restore FILE; or give its content up: ");
    expect(await program.run("restore", path)).toEqual({
      code: 0,
      stdout: `vault 0.0.0: ${path} restored, opened, its canary is alive (epoch ${epoch})\n`,
      stderr: `vault: loading the snapshot of epoch ${epoch}\n`,
    });
    expect(vm.vault.storage?.clusterId).toBe(original.clusterId);
    expect(vm.vault.storage?.values.get("entry")).toEqual({ word: "kept" });
    expect(readFileSync(join(vm.volume, ".foundation-epoch"), "utf8")).toBe(`${epoch} STORED\n`);
    expect(JSON.parse((await program.run("ensure", "--json")).stdout)).toMatchObject({ actions: [] });
  });

  it.each<[string, () => void, string]>([
    [
      "a snapshot that Vault did not finish",
      () => packSnapshot(path, { "SHA256SUMS.sealed": undefined }),
      "FILE: not a whole snapshot: it has no SHA256SUMS.sealed",
    ],
    [
      "the manifest of another snapshot",
      () => packSnapshot(path, { "SHA256SUMS.sealed": "other" }),
      "FILE: is not the one FILE.json belongs to",
    ],
    [
      "a manifest that was changed",
      () => writeFileSync(`${path}.json`, readFileSync(`${path}.json`, "utf8").replace('"n": 6', '"n": 7')),
      "FILE.json: damaged: its checksum does not match its content",
    ],
  ])("refuses %s before Vault is asked anything", async (_, change, message) => {
    const intact = [path, `${path}.json`].map((name) => [name, readFileSync(name)] as const);
    change();
    const requests = vm.requests.length;
    const refused = await program.run("restore", path);
    for (const [name, content] of intact) writeFileSync(name, content);
    expect(refused.stderr.split("\n")[0]?.replaceAll(path, "FILE")).toBe(`error: ${message}`);
    expect(vm.requests.slice(requests).filter((request) => request !== "GET sys/seal-status")).toEqual([]);
  });
});
