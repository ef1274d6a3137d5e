import { cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import type { Agent } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { READERS } from "../../components/vault-config.ts";
import { EXIT } from "../../errors.ts";
import { deriveSecrets } from "../../keys/derive.ts";
import type { Effects } from "../../unseal-helper/effects.ts";
import { ensure } from "../../unseal-helper/ensure.ts";
import { type Restored, restoreVault } from "../../unseal-helper/restore.ts";
import { extendShares } from "../../unseal-helper/shamir.ts";
import type { Seed } from "../../unseal-helper/seed.ts";
import { ShareStore } from "../../unseal-helper/share-store.ts";
import { takeSnapshot } from "../../unseal-helper/snapshot.ts";
import { verifySnapshot } from "../../unseal-helper/snapshot-archive.ts";
import { manifestPath, parseManifest, type SnapshotManifest } from "../../unseal-helper/snapshot-manifest.ts";
import { type SnapshotTransfer, snapshotTransfer } from "../../unseal-helper/snapshot-transfer.ts";
import { openVault, type Tools } from "../../unseal-helper/unseal.ts";
import { VaultClient } from "../../unseal-helper/vault-client.ts";
import { waitForVault } from "../../unseal-helper/waiting.ts";
import { LocalVault, NO_SEED, vaultArchive } from "./local-vault.ts";

const ENTRIES = 10_000;
const archive = vaultArchive();
const masterKey = Buffer.alloc(32, 13);
const { vaultAppRole: appRole } = deriveSecrets(masterKey);
const readers = { backup: appRole("backup"), operator: appRole("operator") };
const target = { address: "127.0.0.1", user: "root", port: 22, hostKey: "ssh-ed25519 AAAA" };

class Killed extends Error {}

/** One real Vault with the tools for it. */
class Site {
  readonly local: LocalVault;
  readonly agent: Agent;
  readonly shareFile: string;
  readonly transfer: SnapshotTransfer;
  kill: (effect: string) => void = () => undefined;

  constructor(port: number) {
    this.local = new LocalVault(archive ?? "", port);
    this.agent = this.local.agent();
    this.shareFile = join(this.local.directory, "real.shares.json");
    const transfer = snapshotTransfer(this.agent);
    this.transfer = {
      download: (token, path) => transfer.download(token, path),
      upload: async (token, path) => {
        await transfer.upload(token, path);
        this.kill("upload");
      },
    };
    this.local.start();
  }

  tools(): Tools {
    const effects = struck(this.local.effects(this.shareFile, this.agent), (effect) => this.kill(effect));
    return {
      effects,
      store: new ShareStore(this.shareFile, "real", masterKey, effects),
      vault: new VaultClient((request) => effects.requestVault(request)),
    };
  }

  async loadedTools(): Promise<Tools> {
    const tools = this.tools();
    await tools.store.load();
    return tools;
  }

  async remove(): Promise<void> {
    this.agent.destroy();
    await this.local.remove();
  }
}

describe.skipIf(archive === undefined)("snapshot and restore on a real Vault", () => {
  let site: Site;
  let empty: Site;
  let path: string;
  let manifest: SnapshotManifest;

  beforeAll(async () => {
    site = new Site(18310);
    path = join(site.local.directory, "daily.snap");
    const tools = site.tools();
    await ensure(tools, { target, credentials: appRole("pulumi"), readers, seed: NO_SEED, newEpoch: false });
    await configure(tools.vault);
    empty = new Site(18320);
  });
  afterAll(async () => {
    await site.remove();
    await empty.remove();
  });

  it("takes a snapshot with the role for it, and proves it whole", async () => {
    const started = performance.now();
    manifest = await takeSnapshot(await site.loadedTools(), { path, appRole, transfer: site.transfer });
    console.log(`snapshot of ${ENTRIES} entries: ${seconds(started)} s, ${manifest.bytes} bytes`);
    expect(manifest).toMatchObject({ stack: "real", n: 6, t: 3, canary: { path: "entry-00000" } });
    expect(await verifySnapshot(path)).toEqual({ bytes: manifest.bytes, sha256: manifest.snapshotSha256 });
    const { store } = await site.loadedTools();
    expect(parseManifest("x", readFileSync(manifestPath(path), "utf8"), store.snapshotKey())).toEqual(manifest);
    expect(readFileSync(manifestPath(path), "utf8")).not.toContain("value-");
  });

  it("finds a snapshot that was cut off or changed", async () => {
    const damaged = join(site.local.directory, "damaged.snap");
    cpSync(path, damaged);
    truncateSync(damaged, manifest.bytes - 100);
    await expect(verifySnapshot(damaged)).rejects.toThrow(/not a whole snapshot/);
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(damaged, bytes);
    await expect(verifySnapshot(damaged)).rejects.toThrow(/not a whole snapshot/);
  });

  async function restore(into: Site): Promise<Restored> {
    const tools = await into.loadedTools();
    const { epoch } = tools.store;
    if (epoch === undefined) throw new Error("no epoch");
    const shares = () => Promise.resolve(tools.store.shares(epoch));
    return await restoreVault(tools, {
      path,
      epoch,
      canary: manifest.canary,
      shares,
      appRole,
      transfer: into.transfer,
    });
  }

  it("refuses a Vault that is not empty", async () => {
    await expect(restore(site)).rejects.toMatchObject({ exitCode: EXIT.refused });
  });

  // Killed later, it is finished instead: test/unseal-helper/restore.test.ts kills it after every effect.
  it.each(["write marker", "PUT sys/init", "PUT sys/unseal"])(
    "starts over when it was killed after: %s",
    async (effect) => {
      mkdirSync(empty.local.data, { recursive: true });
      cpSync(site.shareFile, empty.shareFile);
      empty.kill = (name) => {
        if (name === effect) throw new Killed();
      };
      await expect(restore(empty)).rejects.toThrow(Killed);
      empty.kill = () => undefined;
      expect(empty.local.readMarker()).toBe(`${manifest.epoch} RESTORE`);
    },
  );

  it("restores into an empty Vault what was saved, opened by the shares of its time", async () => {
    const started = performance.now();
    const restored = await restore(empty);
    console.log(`restore of ${ENTRIES} entries: ${seconds(started)} s`);
    expect(restored).toMatchObject({ clusterId: manifest.clusterId, canary: true });
    expect(empty.local.readMarker()).toBe(`${manifest.epoch} STORED`);
    const { vault } = empty.tools();
    const { roleId, secretId } = appRole("operator");
    const token = (await vault.logIn(roleId, secretId)) ?? "";
    const { data } = (await vault.read(token, "foundation/metadata/?list=true")) as { data: { keys: string[] } };
    expect(data.keys).toHaveLength(ENTRIES);
    const last = (await vault.read(token, `foundation/data/entry-0${ENTRIES - 1}`)) as { data: { data: object } };
    expect(last.data.data).toEqual({ word: `value-${ENTRIES - 1}` });
    // and then it is not empty
    await expect(restore(empty)).rejects.toMatchObject({ exitCode: EXIT.refused });
  });

  it("comes back in a rebuild by ensure alone, without any state of the program", async () => {
    const rebuilt = new Site(18330);
    cpSync(site.shareFile, rebuilt.shareFile);
    const { epoch, n, t, clusterId, vaultVersion, bytes, snapshotSha256, created } = manifest;
    const taken = { epoch, n, t, clusterId, version: vaultVersion, bytes, sha256: snapshotSha256, taken: created };
    let isThere = true;
    const seed: Seed = {
      read: () => Promise.resolve(isThere ? taken : undefined),
      fetch: () => Promise.resolve(path),
      remove: () => Promise.resolve(void (isThere = false)),
      transfer: rebuilt.transfer,
      appRole,
    };
    const run = () =>
      ensure(rebuilt.tools(), { target, credentials: appRole("pulumi"), readers, seed, newEpoch: false });
    expect(await run()).toMatchObject({ actions: ["restored"], epoch, clusterId });
    expect((await run()).actions).toEqual([]);
    const { roleId, secretId } = appRole("operator");
    expect(await rebuilt.tools().vault.logIn(roleId, secretId)).toMatch(/^hvs\./);
    await rebuilt.remove();
  });

  it("opens with a share that was issued later", async () => {
    const tools = await empty.loadedTools();
    const { effects, vault, store } = tools;
    const shares = store.shares();
    const used = shares.map((share) => share.at(-1));
    const x = Array.from({ length: 255 }, (_, at) => at + 1).find((value) => !used.includes(value)) ?? 0;
    const issued = extendShares(shares.slice(0, 3), x);
    await effects.restartVault();
    const { n, t } = await waitForVault(vault, effects);
    const lock = { id: manifest.epoch, n, t, clusterId: manifest.clusterId };
    const entered = [issued, shares[4] as Buffer, shares[5] as Buffer];
    expect(await openVault({ effects, vault }, lock, () => Promise.resolve(entered))).toMatchObject({ changed: true });
  });

  it("says what is in the way of a snapshot", async () => {
    const sealed = await empty.loadedTools();
    await sealed.effects.restartVault();
    await waitForVault(sealed.vault, sealed.effects);
    const args = { path: join(empty.local.directory, "x.snap"), appRole, transfer: empty.transfer };
    await expect(takeSnapshot(sealed, args)).rejects.toMatchObject({ exitCode: EXIT.attention });
  });
});

/** As components/vault-config.ts does it: policies and roles of two readers; and entries. */
async function configure(vault: VaultClient): Promise<void> {
  const { roleId, secretId } = appRole("pulumi");
  const token = (await vault.logIn(roleId, secretId)) ?? "";
  for (const name of ["backup", "operator"] as const) {
    await vault.write(token, `sys/policies/acl/${name}`, { policy: READERS[name] });
    const role = `auth/approle/role/${name}`;
    await vault.write(token, role, { token_policies: [name] });
    await vault.write(token, `${role}/role-id`, { role_id: appRole(name).roleId });
  }
  for (let index = 0; index < ENTRIES; index++) {
    const name = `entry-${String(index).padStart(5, "0")}`;
    await vault.write(token, `foundation/data/${name}`, { data: { word: `value-${index}` } });
  }
}

/** @param strike is told each effect after it has happened, and may throw */
function struck(effects: Effects, strike: (effect: string) => void): Effects {
  return {
    ...effects,
    requestVault: async (request) => {
      const answer = await effects.requestVault(request);
      strike(`${request.method} ${request.path}`);
      return answer;
    },
    writeMarker: async (marker) => {
      await effects.writeMarker(marker);
      strike("write marker");
    },
    restartVault: async () => {
      await effects.restartVault();
      strike("restart");
    },
  };
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
