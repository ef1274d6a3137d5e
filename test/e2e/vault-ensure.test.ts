import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import type { Agent } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { deriveSecrets } from "../../keys/derive.ts";
import { type Effects, VaultUnavailable } from "../../unseal-helper/effects.ts";
import { ensure, type EnsureResult } from "../../unseal-helper/ensure.ts";
import { combineShares } from "../../unseal-helper/shamir.ts";
import { ShareStore } from "../../unseal-helper/share-store.ts";
import { sendRequest } from "../../unseal-helper/ssh-transport.ts";
import { unsealVault } from "../../unseal-helper/unseal.ts";
import { VaultClient } from "../../unseal-helper/vault-client.ts";
import { LocalVault, NO_SEED, vaultArchive } from "./local-vault.ts";

const archive = vaultArchive();
const masterKey = Buffer.alloc(32, 11);
const { vaultAppRole } = deriveSecrets(masterKey);
const credentials = vaultAppRole("pulumi");
const readers = { ci: vaultAppRole("ci") };
const target = { address: "127.0.0.1", user: "root", port: 22, hostKey: "ssh-ed25519 AAAA" };

class Killed extends Error {}

describe.skipIf(archive === undefined)("ensure on a real Vault", () => {
  let local: LocalVault;
  let agent: Agent;
  let shareFile: string;

  beforeAll(() => {
    local = new LocalVault(archive ?? "", 18300);
    agent = local.agent();
    shareFile = join(local.directory, "real.shares.json");
    local.start();
  });
  afterAll(async () => {
    agent.destroy();
    await local.remove();
  });

  const effects = (): Effects => local.effects(shareFile, agent);
  const tools = (seam = effects()) => ({
    effects: seam,
    store: new ShareStore(shareFile, "real", masterKey, seam),
    vault: new VaultClient((request) => seam.requestVault(request)),
  });
  const run = (seam?: Effects): Promise<EnsureResult> =>
    ensure(tools(seam), { target, credentials, readers, jobLogin: "actions", seed: NO_SEED, newEpoch: false });
  const killedAfter = (path: string): Effects => killing(effects(), path);

  it("starts over when nothing but Vault itself knows that it was initialised", async () => {
    const seam = effects();
    const lost: Effects = {
      ...seam,
      initialiseVault: async (request) => {
        await seam.initialiseVault(request);
        rmSync(join(local.data, `.foundation-init.${request.epochId}`));
        throw new Killed();
      },
    };
    await expect(run(lost)).rejects.toThrow(Killed);
    expect(readFileSync(shareFile, "utf8")).toContain('"phase": "INTENT"');
    expect(readdirSync(local.data)).toContain("vault.db");
    await expect(run({ ...effects(), writeMarker: () => Promise.reject(new Killed()) })).rejects.toThrow(Killed);
    // Vault is empty again, and was not touched after that.
    expect(readdirSync(local.data)).not.toContain(".foundation-epoch");
  });

  it("takes up the answer of sys/init that the VM has kept, and then forgets it", async () => {
    const seam = effects();
    const dropped: Effects = {
      ...seam,
      initialiseVault: async (request) => {
        await seam.initialiseVault(request);
        throw new Killed();
      },
    };
    await expect(run(dropped)).rejects.toThrow(Killed);
    const [kept = ""] = readdirSync(local.data).filter((name) => name.startsWith(".foundation-init."));
    expect(statSync(join(local.data, kept)).mode & 0o777).toBe(0o600);
    const text = readFileSync(join(local.data, kept), "utf8");
    const noWipe: Effects = { ...effects(), wipeVolume: () => Promise.reject(new Error("wiped")) };
    const killed = await run(killing(noWipe, "sys/policies/acl/pulumi")).catch((error: unknown) => error);
    expect(killed).toBeInstanceOf(Killed);
    expect(readFileSync(shareFile, "utf8")).toContain('"phase": "COMMITTED"');
    expect(readdirSync(local.data).filter((name) => name.startsWith(".foundation-init."))).toEqual([]);
    const { store } = tools();
    await store.load();
    for (const share of store.shares()) {
      for (const form of ["hex", "base64"] as const) expect(text).not.toContain(share.toString(form));
    }
    expect(text).not.toContain(store.rootToken());
  });

  it("finishes a bootstrap that was cut short, and one whose token is revoked already", async () => {
    await expect(run(killedAfter("auth/approle/role/pulumi/custom-secret-id"))).rejects.toThrow(Killed);
    await expect(run(killedAfter("auth/token/revoke-self"))).rejects.toThrow(Killed);
    expect(readFileSync(shareFile, "utf8")).not.toContain('"rootToken": null');
    expect((await run()).actions).toEqual([
      "bootstrapped",
      "audit device file made",
      "audit device log made",
      "KV store foundation made",
      "login of jobs actions made",
      "secret id of ci made",
    ]);
    expect(readFileSync(shareFile, "utf8")).toContain('"rootToken": null');
  });

  it("then changes nothing", async () => {
    const before = readFileSync(shareFile, "utf8");
    expect((await run()).actions).toEqual([]);
    expect(readFileSync(shareFile, "utf8")).toBe(before);
  });

  it("takes the AppRoles of consumers that are no readers, and what a token of theirs may do", async () => {
    const gone = vaultAppRole("consumer-gone");
    const args = { target, credentials, seed: NO_SEED, newEpoch: false };
    const granted = { ...args, readers: { ...readers, "consumer-gone": gone } };
    expect((await ensure(tools(), granted)).actions).toEqual(["secret id of consumer-gone made"]);
    const { vault } = tools();
    const token = (await vault.logIn(credentials.roleId, credentials.secretId)) ?? "";
    const policy = 'path "sys/mounts" { capabilities = ["read"] }';
    await vault.write(token, "sys/policies/acl/consumer-gone", { policy });
    const role = { role_id: gone.roleId, token_policies: ["consumer-gone"] };
    await vault.write(token, "auth/approle/role/consumer-gone", role);
    const theirs = (await vault.logIn(gone.roleId, gone.secretId)) ?? "";
    expect(await vault.statusOf({ method: "GET", path: "sys/mounts", token: theirs })).toBe(200);

    const removing = { ...args, readers, removeConsumers: true };
    expect((await ensure(tools(), removing)).actions).toEqual(["AppRole consumer-gone taken"]);
    expect(await vault.logIn(gone.roleId, gone.secretId)).toBeUndefined();
    expect(await vault.statusOf({ method: "GET", path: "sys/mounts", token: theirs })).toBe(403);
    expect((await ensure(tools(), removing)).actions).toEqual([]);
    await vault.revokeSelf(token);
  });

  it("opens it after a restart, in the presence of somebody else's half-entered shares", async () => {
    await local.restart();
    const { store, vault, ...rest } = tools();
    await store.load();
    await expect(vault.sealStatus().catch(() => vaultUp(vault))).resolves.toMatchObject({ sealed: true, t: 3, n: 6 });
    await vault.enterShare(Buffer.alloc(33, 1));
    expect(await unsealVault({ store, vault, ...rest })).toMatchObject({ changed: true });
    expect(await unsealVault({ store, vault, ...rest })).toMatchObject({ changed: false });
  });

  it("splits the same way as our check: any three shares of the file open it", async () => {
    const { store, vault, effects: seam } = tools();
    await store.load();
    const shares = store.shares();
    const secret = combineShares(shares.slice(0, 3));
    expect(combineShares([5, 1, 4].map((index) => shares[index] as Buffer))).toEqual(secret);
    await local.restart();
    await vaultUp(vault);
    await vault.resetUnseal();
    for (const index of [5, 1]) expect((await vault.enterShare(shares[index] as Buffer))?.sealed).toBe(true);
    expect((await vault.enterShare(shares[4] as Buffer))?.sealed).toBe(false);
    expect(seam.monotonicNow()).toBeGreaterThan(0);
  });

  it("gives the role rights over everything but the keys", async () => {
    const { vault, effects: seam } = tools();
    await run();
    const token = (await vault.logIn(credentials.roleId, credentials.secretId)) ?? "";
    const call = async (method: "GET" | "POST" | "PUT", path: string, body?: object): Promise<number> =>
      (await seam.requestVault({ method, path, token, ...(body && { body }) })).status;
    expect(await call("POST", "sys/mounts/probe", { type: "kv", options: { version: "2" } })).toBe(204);
    expect(await call("POST", "sys/policies/acl/probe", { policy: 'path "x" { capabilities = ["read"] }' })).toBe(204);
    expect(await call("GET", "sys/audit")).toBe(200);
    expect(await call("GET", "sys/storage/raft/configuration")).toBe(200);
    expect(await call("PUT", "sys/seal")).toBe(403);
    expect(await call("POST", "sys/step-down")).toBe(403);
    expect(await call("GET", "sys/raw/core")).toBe(403);
    expect(await call("POST", "sys/storage/raft/snapshot-force")).toBe(403);
    const { body } = await seam.requestVault({ method: "GET", path: "auth/token/lookup-self", token });
    expect(body["data"]).toMatchObject({ policies: ["default", "pulumi"], creation_ttl: 1800, num_uses: 0 });
    await vault.revokeSelf(token);
    expect(await vault.isTokenAlive(token)).toBe(false);
  });

  it("refuses a Vault that was initialised elsewhere", async () => {
    shareFile = join(local.directory, "empty.shares.json");
    await expect(run()).rejects.toMatchObject({ exitCode: EXIT.refused });
  });

  it("says so when nothing listens", async () => {
    await local.stop();
    await expect(sendRequest(agent, { method: "GET", path: "sys/health" })).rejects.toThrow(VaultUnavailable);
  });
});

/** A run that is killed after a request to this path. */
function killing(seam: Effects, path: string): Effects {
  return {
    ...seam,
    requestVault: async (request) => {
      const answer = await seam.requestVault(request);
      if (request.path === path) throw new Killed();
      return answer;
    },
  };
}

async function vaultUp(vault: VaultClient) {
  for (;;) {
    try {
      return await vault.sealStatus();
    } catch (error) {
      if (!(error instanceof VaultUnavailable)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
