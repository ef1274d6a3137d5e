import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { rekey } from "../../unseal-helper/rekey.ts";
import { combineShares } from "../../unseal-helper/shamir.ts";
import { unsealVault } from "../../unseal-helper/unseal.ts";
import { FakeWorld, type Fault, initialised, Killed } from "./fake-world.ts";

const at =
  (k: number, how: ReturnType<Fault>): Fault =>
  (count) =>
    count === k ? how : undefined;

// Hundreds of whole runs, on machines that may be busy.
describe.each(["1.21.2", "2.1.2"])("rekey on Vault %s", { timeout: 120_000 }, (version) => {
  it("puts new shares in force and keeps the old ones", async () => {
    const world = await initialised(version);
    const old = world.epochs().at(-1);
    const result = await world.run(rekey);
    expect(result.retired).toBe(old?.id);
    expect(world.epochs().map(({ id, phase, shares }) => [id, phase, shares.length])).toEqual([
      [old?.id, "COMMITTED", 6],
      [result.epoch, "COMMITTED", 6],
    ]);
    await expectOpens(world, 2);
  });

  it("is done in an order that survives crashes", async () => {
    const world = await initialised(version);
    await world.run(rekey);
    const probes = ["GET sys/generate-root/attempt", "GET sys/rekey/init"];
    const isNew = version.startsWith("2");
    expect(world.effects.slice(world.effects.indexOf("GET sys/health") + 2)).toEqual([
      "GET sys/seal-status",
      ...(isNew ? ["open rekey", "GET sys/rekey/init"] : ["GET sys/rekey/init"]),
      "GET sys/rekey/init",
      "PUT sys/rekey/init",
      ...["PUT sys/rekey/update", "PUT sys/rekey/update", "PUT sys/rekey/update"],
      ...["write file", "read file", "read file"], // the new shares beside the old ones
      ...["PUT sys/rekey/verify", "PUT sys/rekey/verify", "PUT sys/rekey/verify"],
      ...["write file", "read file"], // in force
      ...(isNew ? ["close", ...probes] : []),
    ]);
  });

  it("killed at any point leaves a Vault that the file opens, and is finished by the next run", async () => {
    const clean = await initialised(version);
    await clean.run(rekey);
    for (let k = 1; k <= clean.effects.length; k++) {
      for (const how of ["before", "after", "lost"] as const) {
        for (const isRestarted of [false, true]) {
          const world = await initialised(version);
          await world.run(rekey, at(k, how)).catch(() => undefined);
          if (isRestarted) {
            world.vault.restart();
            await world.run(open);
            expect(world.epochs().filter(({ phase }) => phase === "STORED")).toEqual([]);
          }
          await world.run(rekey);
          await expectOpens(world);
          expect(world.vault.openFamilies).toEqual([]);
        }
      }
    }
  });

  it("is refused with an old copy of the share file", async () => {
    const world = await initialised(version);
    const old = world.file;
    await world.run(rekey);
    world.file = old;
    await expect(world.run(rekey)).rejects.toMatchObject({
      message: expect.stringMatching(/^vault: the shares of epoch \S+ are not those in force$/),
      exitCode: EXIT.refused,
    });
    expect(world.vault.openFamilies).toEqual([]);
  });
});

describe("a rekey", () => {
  it("waits for the initialisation", async () => {
    const world = new FakeWorld();
    const fault: Fault = (_, name) => (name === "POST sys/auth/approle" ? "after" : undefined);
    await expect(world.ensure(fault)).rejects.toThrow(Killed);
    await expect(world.run(rekey)).rejects.toMatchObject({ exitCode: EXIT.halfDone });
  });

  it("is one operator's at a time", async () => {
    const world = await initialised();
    const fault: Fault = (_, name) => {
      if (name === "lock") world.locked = true;
      return undefined;
    };
    await expect(world.run(rekey, fault)).rejects.toMatchObject({ exitCode: EXIT.refused });
  });
});

async function open(tools: ReturnType<FakeWorld["tools"]>): Promise<unknown> {
  await tools.store.load();
  return await unsealVault(tools);
}

/** The last epoch of the file, and no other, has the shares of Vault. */
async function expectOpens(world: FakeWorld, epochs?: number): Promise<void> {
  const tools = world.tools();
  await tools.store.load();
  const keys = tools.store.epochs.map((epoch) => combineShares(tools.store.shares(epoch).slice(0, epoch.t)));
  const isInForce = keys.map((key) => key.equals(world.vault.storage?.rootKey ?? Buffer.alloc(0)));
  expect(isInForce.indexOf(true)).toBe(keys.length - 1);
  expect(tools.store.epochs.at(-1)).toMatchObject({ phase: "COMMITTED", clusterId: world.vault.storage?.clusterId });
  if (epochs !== undefined) expect(keys).toHaveLength(epochs);
  world.vault.restart();
  await open(world.tools());
  expect(world.vault.sealed).toBe(false);
}
