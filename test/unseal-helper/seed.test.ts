import { beforeAll, describe, expect, it } from "vitest";
import { EXIT, UserError } from "../../errors.ts";
import { planEnsure } from "../../unseal-helper/ensure.ts";
import { rekey } from "../../unseal-helper/rekey.ts";
import { type Brought, takeSeed } from "./fake-seed.ts";
import { FakeVault } from "./fake-vault.ts";
import { ENSURE, type Fault, FakeWorld, Killed } from "./fake-world.ts";

/** The operator's share file, and what was backed up of the Vault that is gone. */
let file: string | undefined;
let brought: Brought;
beforeAll(async () => {
  const world = new FakeWorld();
  await world.ensure();
  file = world.file;
  brought = takeSeed(world);
});

/** A new VM on which stage 3 has put the snapshot. */
function rebuilt(): FakeWorld {
  const world = new FakeWorld();
  return Object.assign(world, { file, brought: structuredClone(brought) });
}

const at =
  (k: number, how: ReturnType<Fault>): Fault =>
  (count) =>
    count === k ? how : undefined;

function expectRestored(world: FakeWorld): void {
  const { storage, sealed } = world.vault;
  expect({ sealed, clusterId: storage?.clusterId }).toEqual({ sealed: false, clusterId: brought.manifest.clusterId });
  expect(world.marker).toBe(`${brought.manifest.epoch} STORED`);
  expect(world.epochs().map(({ id, phase }) => [id, phase])).toEqual([[brought.manifest.epoch, "COMMITTED"]]);
  expect(storage?.groundwork.roles.get("ci")?.size).toBe(1);
  expect(world.brought).toBeUndefined();
}

describe("a rebuilt VM", () => {
  it("gets the Vault of the backup, opened by the shares of its time", async () => {
    const world = rebuilt();
    expect((await world.ensure()).actions).toEqual(["restored"]);
    expectRestored(world);
    expect(world.log).toEqual([
      "vault: restoring the snapshot of 2026-01-31T12:00:00.000Z that the rebuild has brought",
      `vault: loading the snapshot of epoch ${brought.manifest.epoch}`,
    ]);
    expect((await world.ensure()).actions).toEqual([]);
  });

  it("says beforehand that it would", async () => {
    const world = rebuilt();
    const tools = world.tools();
    expect(await planEnsure(tools, { ...ENSURE, seed: tools.seed, newEpoch: false })).toEqual([
      "restore the snapshot of 2026-01-31T12:00:00.000Z that the rebuild has brought",
    ]);
    expect(world.vault.storage).toBeUndefined();
  });

  it("is finished by the next run after a crash before or after any effect, and after a lost answer", async () => {
    const clean = rebuilt();
    await clean.ensure();
    for (let k = 1; k <= clean.effects.length; k++) {
      for (const how of ["before", "after", "lost", "dropped"] as const) {
        const world = rebuilt();
        // Where Vault is only waited for, the run itself tries again.
        const end = await world.ensure(at(k, how)).catch((error: unknown) => error);
        if (how === "before" || how === "after") expect(end).toBeInstanceOf(Killed);
        else if (end instanceof Error) expect(end).toBeInstanceOf(UserError);
        // At no moment is it in neither place.
        expect(world.brought !== undefined || world.marker?.endsWith(" STORED")).toBe(true);
        await world.ensure();
        expectRestored(world);
      }
    }
  });

  it("is finished though the run that was to start over was killed with Vault stopped and its marker gone", async () => {
    const world = rebuilt();
    const killAfter =
      (name: string): Fault =>
      (_, effect) =>
        effect === name ? "after" : undefined;
    await expect(world.ensure(killAfter("PUT sys/init"))).rejects.toBeInstanceOf(Killed);
    await expect(world.ensure(killAfter("wipe"))).rejects.toBeInstanceOf(Killed);
    expect({ running: world.running, marker: world.marker }).toEqual({ running: false, marker: undefined });
    expect((await world.ensure()).actions).toEqual(["restored"]);
    expectRestored(world);
  });

  it("does not put an old snapshot into a Vault that somebody empties later", async () => {
    const world = rebuilt();
    await world.ensure();
    world.vault = new FakeVault();
    world.marker = undefined;
    await expect(world.ensure()).rejects.toMatchObject({ exitCode: EXIT.refused });
    expect(world.vault.storage).toBeUndefined();
  });

  it("keeps the Vault that it has", async () => {
    const world = new FakeWorld();
    const { clusterId } = await world.ensure();
    world.brought = structuredClone(brought);
    expect((await world.ensure()).clusterId).toBe(clusterId);
    expect(world.brought).toBeUndefined();
  });
});

describe("the shares", () => {
  it("of a rekey after which the marker still named the former epoch open the snapshot", async () => {
    const world = rebuilt();
    await world.ensure();
    await world.run(rekey);
    const later = takeSeed(world);
    expect(later.manifest.epoch).toBe(brought.manifest.epoch);
    const next = Object.assign(new FakeWorld(), { file: world.file, brought: later });
    expect((await next.ensure()).actions).toEqual(["restored"]);
    const newest = world.epochs().at(-1)?.id;
    expect(next.epochs().at(-1)?.id).toBe(newest);
    expect(next.marker).toBe(`${newest} STORED`);
  });

  it("that the file does not have are asked for, and Vault stays empty", async () => {
    const other = new FakeWorld();
    await other.ensure();
    for (const shareFile of [other.file, undefined]) {
      const world = Object.assign(rebuilt(), { file: shareFile });
      await expect(world.ensure()).rejects.toMatchObject({
        message: `vault: the backup needs the shares of epoch ${brought.manifest.epoch}, which the share file does not have`,
        hint:
          "find the version of the share file that has them: git log -- keys; or give Vault's content up: " +
          "npx foundation vault ensure --new-epoch",
        exitCode: EXIT.refused,
      });
      expect(world.vault.storage).toBeUndefined();
      expect(world.brought).toBeDefined();
    }
  });

  it("can be given up with what they would open, and a crash does not bring it back", async () => {
    const clean = rebuilt();
    await clean.ensure(undefined, true);
    for (let k = 1; k <= clean.effects.length; k++) {
      const world = rebuilt();
      await expect(world.ensure(at(k, "after"), true)).rejects.toThrow(Killed);
      const began = world.epochs().length === 2;
      await world.ensure(undefined, !began);
      expect(world.vault.storage?.clusterId).not.toBe(brought.manifest.clusterId);
      expect(world.epochs().map(({ phase }) => phase)).toEqual(["COMMITTED", "COMMITTED"]);
    }
  });
});
