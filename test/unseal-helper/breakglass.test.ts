import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { breakGlass } from "../../unseal-helper/breakglass.ts";
import { closeLeftOpen } from "../../unseal-helper/endpoint-window.ts";
import type { Tools } from "../../unseal-helper/unseal.ts";
import { type Fault, initialised, Killed } from "./fake-world.ts";

const strike =
  (name: string, how: ReturnType<Fault>): Fault =>
  (_, effect) =>
    effect === name ? how : undefined;

const use = (tools: Tools): Promise<string> => breakGlass(tools, 900, (token) => Promise.resolve(token));

// Hundreds of whole runs, on machines that may be busy.
describe.each(["1.21.2", "2.1.2"])("breakglass on Vault %s", { timeout: 120_000 }, (version) => {
  it("gives a token that is alive meanwhile and dead afterwards, and no other", async () => {
    const world = await initialised(version);
    const tokens = world.vault.storage?.tokens ?? new Set();
    const before = [...tokens];
    const isAlive = await world.run((tools) =>
      breakGlass(tools, 900, (token) => Promise.resolve([...tokens].filter((known) => known === token))),
    );
    expect(isAlive).toHaveLength(1);
    expect([...tokens]).toEqual(before);
    expect(world.vault.openFamilies).toEqual([]);
  });

  it("revokes it when the work fails", async () => {
    const world = await initialised(version);
    const before = [...(world.vault.storage?.tokens ?? [])];
    await expect(
      world.run((tools) => breakGlass(tools, 900, () => Promise.reject(new Error("the program failed")))),
    ).rejects.toThrow("the program failed");
    expect([...(world.vault.storage?.tokens ?? [])]).toEqual(before);
  });

  it("killed at any point leaves nothing that the next run does not end", async () => {
    const clean = await initialised(version);
    await clean.run(use);
    for (let k = 1; k <= clean.effects.length; k++) {
      for (const how of ["before", "after", "lost"] as const) {
        const world = await initialised(version);
        await world.run(use, (count) => (count === k ? how : undefined)).catch(() => undefined);
        await world.run(closeLeftOpen);
        expect(world.vault.openFamilies).toEqual([]);
        await world.run(use);
        const { tokens, rootTokens } = world.vault.storage ?? {
          tokens: new Set<string>(),
          rootTokens: new Set<string>(),
        };
        expect([...tokens].filter((token) => rootTokens.has(token))).toEqual([]);
        expect(world.vault.openFamilies).toEqual([]);
      }
    }
  });

  it("is refused with shares that are not in force", async () => {
    const world = await initialised(version);
    world.vault.storage?.rootKey.fill(1);
    await expect(world.run(use)).rejects.toMatchObject({ exitCode: EXIT.refused });
    expect(world.vault.openFamilies).toEqual([]);
  });
});

describe("the open endpoint", () => {
  it("is closed before the token is used", async () => {
    const world = await initialised("2.1.2");
    let families: string[] | undefined;
    await world.run((tools) => breakGlass(tools, 900, () => Promise.resolve((families = world.vault.openFamilies))));
    expect(families).toEqual([]);
    expect(world.effects).toContain("open generate-root");
  });

  it("is closed by the next command after a kill, whichever that is", async () => {
    const world = await initialised("2.1.2");
    await expect(world.run(use, strike("open generate-root", "after"))).rejects.toThrow(Killed);
    expect(world.vault.openFamilies).toEqual(["generate-root"]);
    expect(await world.run(closeLeftOpen)).toBe(true);
    expect(world.vault.openFamilies).toEqual([]);
    expect(await world.run(closeLeftOpen)).toBe(false);
  });

  it("is left alone while its owner is at work", async () => {
    const world = await initialised("2.1.2");
    world.vault.openFamilies = ["rekey"];
    const fault: Fault = (_, name) => {
      if (name === "lock") world.locked = true;
      return undefined;
    };
    expect(await world.run(closeLeftOpen, fault)).toBe(false);
    expect(world.effects).not.toContain("close");
  });

  it("that does not close is an error, and not forgotten", async () => {
    const world = await initialised("2.1.2");
    const stuck = (tools: Tools): Promise<string> =>
      use({ ...tools, effects: { ...tools.effects, closeEndpoints: () => Promise.resolve() } });
    await expect(world.run(stuck)).rejects.toMatchObject({
      message: "vault: still answers rekey or generate-root without a token",
      exitCode: EXIT.refused,
    });
  });

  it("that does not open is an error", async () => {
    const world = await initialised("2.1.2");
    const stuck = (tools: Tools): Promise<string> =>
      use({ ...tools, effects: { ...tools.effects, openEndpoint: () => Promise.resolve() } });
    await expect(world.run(stuck)).rejects.toThrow(
      "vault: sys/generate-root/attempt: stays closed after its configuration was opened",
    );
  });
});
