import { readFileSync, writeFileSync } from "node:fs";
import type { Agent } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { deriveSecrets } from "../../keys/derive.ts";
import { breakGlass } from "../../unseal-helper/breakglass.ts";
import type { Effects } from "../../unseal-helper/effects.ts";
import { ensure } from "../../unseal-helper/ensure.ts";
import { rekey } from "../../unseal-helper/rekey.ts";
import { combineShares } from "../../unseal-helper/shamir.ts";
import { ShareStore } from "../../unseal-helper/share-store.ts";
import { type Tools, unsealVault } from "../../unseal-helper/unseal.ts";
import { VaultClient } from "../../unseal-helper/vault-client.ts";
import { verifyFile } from "../../unseal-helper/verification.ts";
import { LocalVault, NO_SEED, vaultArchive } from "./local-vault.ts";

const archive = vaultArchive();
const masterKey = Buffer.alloc(32, 12);
const credentials = deriveSecrets(masterKey).vaultAppRole("pulumi");
const target = { address: "127.0.0.1", user: "root", port: 22, hostKey: "ssh-ed25519 AAAA" };

class Killed extends Error {}

describe.skipIf(archive === undefined)("with the shares of a real Vault", () => {
  let local: LocalVault;
  let agent: Agent;
  let shareFile: string;

  beforeAll(async () => {
    local = new LocalVault(archive ?? "", 18360);
    agent = local.agent();
    shareFile = join(local.directory, "real.shares.json");
    local.start();
    await ensure(tools(), { target, credentials, readers: {}, seed: NO_SEED, newEpoch: false });
  });
  afterAll(async () => {
    agent.destroy();
    await local.remove();
  });

  function tools(seam: Effects = local.effects(shareFile, agent)): Tools {
    const store = new ShareStore(shareFile, "real", masterKey, seam);
    return { effects: seam, store, vault: new VaultClient((request) => seam.requestVault(request)) };
  }

  /** The file opens a Vault that is sealed, and has one epoch in force. */
  async function expectOpens(): Promise<void> {
    await local.restart();
    const now = tools();
    await now.store.load();
    expect(await unsealVault(now)).toMatchObject({ changed: true });
    expect(now.store.pendingRekey).toBeUndefined();
    expect(await verifyFile(tools(), false)).toMatchObject({ vault: "the one of this file" });
  }

  it("new shares replace the old ones, which stay in the file", async () => {
    const before = tools();
    await before.store.load();
    const old = before.store.epoch;
    const result = await rekey(tools());
    expect(result.retired).toBe(old?.id);
    const after = tools();
    await after.store.load();
    expect(after.store.epochs.map(({ id, phase }) => [id, phase])).toEqual([
      [result.retired, "COMMITTED"],
      [result.epoch, "COMMITTED"],
    ]);
    await expectOpens();
    // The old ones are refused.
    await local.restart();
    await expect(
      unsealVault(after, () => Promise.resolve(after.store.shares(after.store.epochs[0]).slice(0, 3))),
    ).rejects.toMatchObject({ exitCode: EXIT.refused });
    await unsealVault(after);
  });

  it.each([
    ["sys/rekey/init", "PUT", 1],
    ["sys/rekey/update", "PUT", 2],
    ["sys/rekey/update", "PUT", 3],
    ["sys/rekey/verify", "PUT", 1],
    ["sys/rekey/verify", "PUT", 2],
    ["sys/rekey/verify", "PUT", 3],
  ])(
    "a rekey killed after %s (%s, %i times) is finished, whether Vault is sealed in between or not",
    async (path, method, times) => {
      for (const isSealed of [true, false]) {
        const seam = local.effects(shareFile, agent);
        let count = 0;
        const killed: Effects = {
          ...seam,
          requestVault: async (request) => {
            const answer = await seam.requestVault(request);
            if (request.path === path && request.method === method && ++count === times) throw new Killed();
            return answer;
          },
        };
        await expect(rekey(tools(killed))).rejects.toThrow(Killed);
        if (isSealed) await expectOpens();
        await rekey(tools());
        await expectOpens();
      }
    },
  );

  it("new shares are a set of their own", async () => {
    const { store } = tools();
    await store.load();
    const [first, second] = store.epochs.slice(-2).map((epoch) => combineShares(store.shares(epoch).slice(2, 5)));
    expect(first?.equals(second ?? Buffer.alloc(0))).toBe(false);
  });

  it("breakglass gives a token with all rights that is dead afterwards, and leaves no root token", async () => {
    const { vault } = tools();
    let seen = "";
    const accessors = await breakGlass(tools(), 60, async (token) => {
      seen = token;
      const self = await vault.read(token, "auth/token/lookup-self");
      expect(self?.["data"]).toMatchObject({
        policies: ["root"],
        creation_ttl: 60,
        explicit_max_ttl: 60,
        orphan: true,
      });
      await vault.write(token, "sys/audit/probe", { type: "file", options: { file_path: "discard" } });
      return await vault.call({ method: "GET", path: "auth/token/accessors?list=true", token });
    });
    expect((accessors["data"] as { keys: string[] }).keys).toHaveLength(1);
    expect(await vault.isTokenAlive(seen)).toBe(false);
  });

  it("breakglass and rekey are refused with shares that are retired", async () => {
    const now = readFileSync(shareFile, "utf8");
    const { store } = tools();
    await store.load();
    const epochs = store.epochs.length;
    const old = { ...tools() };
    await old.store.load();
    await old.store.reinstate(store.epochs[epochs - 2]?.id ?? "");
    await expect(breakGlass(tools(), 60, () => Promise.resolve())).rejects.toMatchObject({ exitCode: EXIT.refused });
    await expect(rekey(tools())).rejects.toMatchObject({ exitCode: EXIT.refused });
    writeFileSync(shareFile, now);
    expect(await breakGlass(tools(), 60, () => Promise.resolve("done"))).toBe("done");
  });

  it("breakglass revokes the root token of a run that was killed", async () => {
    const seam = local.effects(shareFile, agent);
    const killed: Effects = {
      ...seam,
      requestVault: (request) => {
        if (request.path.startsWith("auth/token/accessors")) throw new Killed();
        if (request.path === "auth/token/revoke-self") throw new Killed();
        return seam.requestVault(request);
      },
    };
    await expect(breakGlass(tools(killed), 60, () => Promise.resolve())).rejects.toThrow(Killed);
    const { vault } = tools();
    const accessors = await breakGlass(tools(), 60, (token) =>
      vault.call({ method: "GET", path: "auth/token/accessors?list=true", token }),
    );
    expect((accessors["data"] as { keys: string[] }).keys).toHaveLength(1);
  });

  it("breakglass takes over a root generation that was left half-way", async () => {
    const seam = local.effects(shareFile, agent);
    const killed: Effects = {
      ...seam,
      requestVault: async (request) => {
        const answer = await seam.requestVault(request);
        if (request.path === "sys/generate-root/update") throw new Killed();
        return answer;
      },
    };
    await expect(breakGlass(tools(killed), 60, () => Promise.resolve())).rejects.toThrow(Killed);
    expect(await breakGlass(tools(), 60, () => Promise.resolve("done"))).toBe("done");
  });
});
