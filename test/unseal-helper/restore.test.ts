import { beforeAll, describe, expect, it } from "vitest";
import { EXIT, UserError } from "../../errors.ts";
import { chooseCanary } from "../../unseal-helper/canary.ts";
import { rekey } from "../../unseal-helper/rekey.ts";
import { type RestoreArgs, type Restored, restoreVault } from "../../unseal-helper/restore.ts";
import type { Epoch } from "../../unseal-helper/share-file.ts";
import type { Canary } from "../../unseal-helper/snapshot-manifest.ts";
import type { Tools } from "../../unseal-helper/unseal.ts";
import { copyStorage, FakeVault, type Storage } from "./fake-vault.ts";
import { STRIKES } from "./crash-schedules.ts";
import { CREDENTIALS, type Fault, FakeWorld, Killed, MASTER_KEY, type Strike } from "./fake-world.ts";

let file: string | undefined;
let snapshot: Storage;
let epoch: Epoch;
let canary: Canary | undefined;

// A Vault with one value, and what a snapshot of it holds.
beforeAll(async () => {
  const world = new FakeWorld();
  await world.ensure();
  world.vault.storage?.values.set("entry", { word: "kept" });
  canary = await world.run(({ vault, store }) => chooseCanary(vault, CREDENTIALS, store.snapshotKey()));
  file = world.file;
  snapshot = copyStorage(world.vault.storage) as Storage;
  epoch = world.epochs()[0] as Epoch;
});

/** A new VM: an empty Vault, and the repository with the share file. */
function empty(): FakeWorld {
  const world = new FakeWorld();
  world.file = file;
  world.vault.snapshot = snapshot;
  return world;
}

/** The command, whose upload is an effect like any other request. */
async function restore(tools: Tools, more: Partial<RestoreArgs> = {}): Promise<Restored> {
  await tools.store.load();
  const upload = async (token: string): Promise<void> =>
    void (await tools.vault.write(token, "sys/storage/raft/snapshot-force", {}));
  const args = {
    path: "daily.snap",
    snapshot: "0123456789abcdef",
    epoch,
    canary: canary ?? null,
    shares: () => Promise.resolve(tools.store.shares(epoch)),
    appRole: () => CREDENTIALS,
    transfer: { upload, download: () => Promise.reject(new Error("not here")) },
    ...more,
  };
  return await restoreVault(tools, args, () => tools.store.reinstate(args.epoch.id));
}

function expectRestored(world: FakeWorld): void {
  const { storage, sealed } = world.vault;
  expect(storage?.clusterId).toBe(snapshot.clusterId);
  expect(storage?.values.get("entry")).toEqual({ word: "kept" });
  expect({ sealed, running: world.running, marker: world.marker }).toEqual({
    sealed: false,
    running: true,
    marker: `${epoch.id} STORED`,
  });
  const visible = [world.file, world.marker, ...world.log].join("\n");
  const secrets = [...world.vault.secrets, MASTER_KEY.toString("hex"), CREDENTIALS.secretId];
  expect(secrets.filter((secret) => visible.includes(secret))).toEqual([]);
}

const strike =
  (at: number, how: Strike): Fault =>
  (count) =>
    count === at ? how : undefined;

/** The run that nothing happens to; a Vault that is restored already refuses it. */
async function finish(world: FakeWorld): Promise<void> {
  const isDone = world.marker === `${epoch.id} STORED`;
  const result: unknown = await world.run(restore).catch((error: unknown) => error);
  if (isDone) expect(result).toMatchObject({ exitCode: EXIT.refused });
  else expect(result).toMatchObject({ clusterId: snapshot.clusterId });
  expectRestored(world);
}

// Hundreds of whole runs, on machines that may be busy.
describe("restore", { timeout: 60_000 }, () => {
  it("waits for a Vault that answers nothing for 40 s while it takes the snapshot in", async () => {
    const world = empty();
    let silent = 0;
    const fault: Fault = (_count, name) => {
      if (name.endsWith("snapshot-force")) silent = 200;
      return name === "GET sys/seal-status" && silent-- > 0 ? "lost" : undefined;
    };
    expect(await world.run(restore, fault)).toMatchObject({ clusterId: snapshot.clusterId });
    expectRestored(world);
  });

  it.each([
    ["and finds what it has taken in", true],
    ["and loads the snapshot again where it has not taken it in", false],
  ])("starts a Vault anew that hangs, %s", async (_, isTaken) => {
    const world = empty();
    let before: Storage | undefined;
    const fault: Fault = (_count, name) => {
      if (name.endsWith("snapshot-force") && !world.log.some((line) => line.includes("starting it anew"))) {
        before = copyStorage(world.vault.storage);
      } else if (before !== undefined) {
        world.vault.hangs = true;
        if (!isTaken) world.vault.storage = before;
        before = undefined;
      }
      return undefined;
    };
    expect(await world.run(restore, fault)).toMatchObject({ clusterId: snapshot.clusterId });
    expectRestored(world);
    const epochLine = `vault: loading the snapshot of epoch ${epoch.id}`;
    expect(world.log).toEqual([
      epochLine,
      "vault: has answered nothing for 60 s; starting it anew",
      ...(isTaken
        ? ["vault: an earlier run has loaded this snapshot; finishing it"]
        : [
            "vault: the shares were not taken as sent; trying once more",
            "vault: an earlier restore stopped half-way; starting over",
            epochLine,
          ]),
    ]);
  });

  it("brings back what was saved, opened by the shares of its time and proven by identity, login and value", async () => {
    const world = empty();
    expect(await world.run(restore)).toEqual({ clusterId: snapshot.clusterId, version: "0.0.0", canary: true });
    expectRestored(world);
    const unsealing = Array<string>(4).fill("PUT sys/unseal");
    expect(world.effects).toEqual([
      ...["read file", "lock", "start", "read marker", "GET sys/seal-status"],
      ...["write marker", "PUT sys/init", "GET sys/seal-status", ...unsealing, "GET sys/health", "GET sys/seal-status"],
      ...["POST sys/storage/raft/snapshot-force", "GET sys/seal-status", "restart"],
      ...["GET sys/seal-status", ...unsealing, "GET sys/health", "GET sys/seal-status"],
      ...["POST auth/approle/login", "POST auth/token/revoke-self"],
      ...["POST auth/approle/login", "GET foundation/data/entry", "POST auth/token/revoke-self"],
      "write marker",
    ]);
  });

  it("killed at any point is finished by running it again, and never touches a Vault with anything else in it", async () => {
    const clean = empty();
    await clean.run(restore);
    let wipes = 0;
    for (let at = 1; at <= clean.effects.length; at++) {
      for (const how of STRIKES) {
        const world = empty();
        await world.run(restore, strike(at, how)).catch(() => undefined);
        await finish(world);
        wipes += world.wipes;
      }
    }
    expect(wipes).toBeGreaterThan(0);
  });

  it("killed twice is finished by the third run", async () => {
    const clean = empty();
    await clean.run(restore);
    const effects = clean.effects.length;
    // bench/crash-schedules.ts tries every pair.
    for (let first = 1; first <= effects; first++) {
      for (let second = 1 + (first % 9); second <= effects; second += 9) {
        const world = empty();
        await world.run(restore, strike(first, "after")).catch(() => undefined);
        await world.run(restore, strike(second, "lost")).catch(() => undefined);
        await finish(world);
      }
    }
  });

  it("killed while Vault took the snapshot in is finished though Vault has answered nobody since", async () => {
    const world = empty();
    await expect(
      world.run(restore, (_, name) => (name === "POST sys/storage/raft/snapshot-force" ? "after" : undefined)),
    ).rejects.toThrow(Killed);
    world.vault.hangs = true;
    await finish(world);
  });

  it("finishes what a killed run had loaded, and keeps what was written into it since", async () => {
    const world = empty();
    await expect(world.run(restore, (_, name) => (name === "restart" ? "after" : undefined))).rejects.toThrow(Killed);
    expect(world.marker).toBe(`${epoch.id} RESTORE 0123456789abcdef`);
    await world.ensure();
    world.vault.storage?.values.set("later", { word: "new" });
    world.vault.restart();
    const other = world.run((tools) => restore(tools, { snapshot: "fedcba9876543210" }));
    await expect(other).rejects.toMatchObject({
      message: `vault: holds another snapshot, whose restore was not finished: its volume carries the marker "${world.marker}"`,
      exitCode: EXIT.refused,
    });
    expect(await world.run(restore)).toMatchObject({ canary: true });
    expectRestored(world);
    expect(world.wipes).toBe(0);
    expect(world.vault.storage?.values.get("later")).toEqual({ word: "new" });
    expect(world.log).toContain("vault: an earlier run has loaded this snapshot; finishing it");
  });

  it("starts over a temporary Vault that was killed while it initialised itself", async () => {
    const world = empty();
    await expect(world.run(restore, (_, name) => (name === "PUT sys/init" ? "after" : undefined))).rejects.toThrow(
      Killed,
    );
    const half = new (class extends FakeVault {
      override answer(request: Parameters<FakeVault["answer"]>[0]) {
        if (this.storage !== undefined || request.path !== "sys/seal-status" || world.wipes > 0)
          return super.answer(request);
        const errors = ["barrier reports initialized but no seal configuration found"];
        return { status: 500, body: { errors } };
      }
    })();
    half.snapshot = snapshot;
    world.vault = half;
    await world.run(restore);
    expectRestored(world);
  });

  it("of an older epoch leaves a file that knows which shares open Vault, killed at any point", async () => {
    const world = empty();
    world.vault.storage = copyStorage(snapshot);
    await world.run(rekey);
    const rekeyed = world.file;
    for (let at = 1; ; at++) {
      const fresh = empty();
      fresh.file = rekeyed;
      const killed: unknown = await fresh
        .run(restore, (count) => (count === at ? "after" : undefined))
        .catch((e: unknown) => e);
      if (!(killed instanceof Killed)) break;
      if (fresh.marker !== `${epoch.id} STORED`) await fresh.run(restore);
      expectRestored(fresh);
      expect(fresh.epochs().at(-1)?.id).toBe(epoch.id);
      fresh.vault.restart();
      expect((await fresh.ensure()).actions).toEqual(["unsealed"]);
    }
  });

  it("is refused by a Vault that is not empty, and by one that carries another marker", async () => {
    const full = empty();
    full.file = undefined;
    await full.ensure();
    const { clusterId } = full.vault.storage ?? {};
    full.file = file;
    await expect(full.run(restore)).rejects.toMatchObject({
      message: expect.stringMatching(/^vault: not empty: its volume carries the marker "\S+ STORED"$/) as string,
      exitCode: EXIT.refused,
    });
    expect(full.vault.storage?.clusterId).toBe(clusterId);
    expect(full.wipes).toBe(0);
    const unmarked = empty();
    unmarked.vault.answer({ method: "PUT", path: "sys/init", body: { secret_shares: 6, secret_threshold: 3 } });
    await expect(unmarked.run(restore)).rejects.toMatchObject({ message: "vault: not empty", exitCode: EXIT.refused });
  });

  it("is one operator's at a time", async () => {
    const world = empty();
    const fault: Fault = (_, name) => {
      if (name === "lock") world.locked = true;
      return undefined;
    };
    await expect(world.run(restore, fault)).rejects.toMatchObject({ exitCode: EXIT.refused });
    expect(world.vault.storage).toBeUndefined();
  });

  it("names what did not come back as it was saved", async () => {
    const changed = empty();
    changed.vault.snapshot = { ...snapshot, values: new Map([["entry", { word: "other" }]]) };
    const error: unknown = await changed.run(restore).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      message: "vault: restored, but foundation/entry is not what it was when the snapshot was taken",
    });
    const foreign = empty();
    foreign.vault.snapshot = { ...snapshot, clusterId: "00000000-0000-4000-8000-000000000000" };
    await expect(foreign.run(restore)).rejects.toMatchObject({ exitCode: EXIT.refused });
    const locked = empty();
    locked.vault.snapshot = { ...snapshot, rootKey: Buffer.alloc(32, 1) };
    const refused: unknown = await locked.run(restore).catch((reason: unknown) => reason);
    expect(refused).toBeInstanceOf(UserError);
    expect((refused as UserError).message).toBe(`vault: the shares of epoch ${epoch.id} do not open it`);
  });

  it("leaves no token of the temporary Vault, and none of its own", async () => {
    const world = empty();
    const before = [...snapshot.tokens];
    await world.run(restore);
    expect([...(world.vault.storage?.tokens ?? [])]).toEqual(before);
    expect(new FakeVault().storage).toBeUndefined();
  });
});
