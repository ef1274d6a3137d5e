import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { unsealVault } from "../../unseal-helper/unseal.ts";
import { FakeVault } from "./fake-vault.ts";
import { type Fault, FakeWorld } from "./fake-world.ts";

/** Something that happens right before the n-th share is entered. */
const beforeShare =
  (number: number, happens: () => void): Fault =>
  (_count, name) => {
    if (name === "PUT sys/unseal" && --number === -1) happens();
    return undefined;
  };

async function sealedWorld(): Promise<FakeWorld> {
  const world = new FakeWorld();
  await world.ensure();
  world.vault.restart();
  return world;
}

async function unseal(world: FakeWorld, fault?: Fault) {
  const tools = world.tools(fault);
  await tools.store.load();
  return unsealVault(tools);
}

describe("unseal", () => {
  it("drops shares that somebody left half-entered", async () => {
    const world = await sealedWorld();
    world.vault.answer({ method: "PUT", path: "sys/unseal", body: { key: Buffer.alloc(33, 1).toString("base64") } });
    expect(await unseal(world)).toMatchObject({ changed: true });
    expect(world.effects).toEqual([
      ...["read file", "GET sys/seal-status"],
      ...["PUT sys/unseal", "PUT sys/unseal", "PUT sys/unseal", "PUT sys/unseal"],
      ...["GET sys/health", "GET sys/seal-status"],
    ]);
  });

  it("writes nothing, and does nothing to a Vault that is open", async () => {
    const world = await sealedWorld();
    await unseal(world);
    expect(await unseal(world)).toMatchObject({ changed: false });
    expect(world.effects).toEqual(["read file", "GET sys/seal-status", "GET sys/health", "GET sys/seal-status"]);
  });

  it.each([1, 2, 3])("tries again when Vault restarts before share %i", async (number) => {
    const world = await sealedWorld();
    expect(
      await unseal(
        world,
        beforeShare(number, () => world.vault.restart()),
      ),
    ).toMatchObject({ changed: true });
  });

  it.each([1, 2, 3])("tries again when somebody enters rubbish before share %i", async (number) => {
    const world = await sealedWorld();
    const rubbish = { key: Buffer.alloc(33, 1).toString("base64") };
    const fault = beforeShare(number, () => world.vault.answer({ method: "PUT", path: "sys/unseal", body: rubbish }));
    expect(await unseal(world, fault)).toMatchObject({ changed: true });
  });

  it("is content when another operator has opened it meanwhile", async () => {
    const world = await sealedWorld();
    expect(
      await unseal(
        world,
        beforeShare(2, () => (world.vault.sealed = false)),
      ),
    ).toMatchObject({ changed: true });
  });

  it("gives up after two attempts against somebody who keeps entering shares", async () => {
    const world = await sealedWorld();
    const fault: Fault = (_count, name) => {
      if (name === "PUT sys/unseal") world.vault.restart();
      return undefined;
    };
    await expect(unseal(world, fault)).rejects.toMatchObject({
      message: expect.stringMatching(/^vault: the shares of epoch \S+ do not open it$/) as string,
      hint: "if somebody else is entering shares, let one of you finish; else this Vault has other keys: git pull, or npx foundation vault restore FILE",
      exitCode: EXIT.refused,
    });
    expect(world.log).toContain("vault: the shares were not taken as sent; trying once more");
  });

  it("waits for a container that has just started, and not for ever", async () => {
    const world = await sealedWorld();
    world.running = false;
    let tries = 0;
    const fault: Fault = (_count, name) => {
      if (name === "GET sys/seal-status" && ++tries === 5) world.running = true;
      return undefined;
    };
    expect(await unseal(world, fault)).toMatchObject({ changed: true });
    world.running = false;
    await expect(unseal(world)).rejects.toMatchObject({
      message: "vault: connection refused; gave up after 30 s",
      hint: "docker ps -a --filter name=vault; docker logs --tail 50 vault (on the VM)",
      exitCode: EXIT.unreachable,
    });
    expect(world.effects.filter((name) => name === "sleep")).toHaveLength(150);
  });

  it("tells a Vault that was never initialised from one that was left half-way", async () => {
    const empty = new FakeWorld();
    await expect(unseal(empty)).rejects.toMatchObject({
      message: "vault: never initialised",
      hint: "npx foundation vault ensure",
      exitCode: EXIT.uninitialised,
    });
    const half = new FakeWorld();
    await half.ensure((_count, name) => (name === "initialise" ? "after" : undefined)).catch(() => undefined);
    await expect(unseal(half)).rejects.toMatchObject({
      message: expect.stringMatching(/^vault: initialisation of epoch \S+ stopped half-way$/) as string,
      exitCode: EXIT.halfDone,
    });
  });

  it("leaves a Vault with another kind of seal alone", async () => {
    const world = await sealedWorld();
    const vault = new (class extends FakeVault {
      override answer(request: Parameters<FakeVault["answer"]>[0]) {
        const answer = super.answer(request);
        return { ...answer, body: { ...answer.body, type: "transit" } };
      }
    })();
    world.vault = vault;
    await expect(unseal(world)).rejects.toMatchObject({
      message: "vault: seal type transit, not shamir",
      exitCode: EXIT.refused,
    });
  });
});
