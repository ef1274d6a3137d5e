import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { layout } from "../../backup/paths.ts";
import { serve } from "../../backup/serve.ts";
import { readStatus } from "../../backup/status.ts";
import { World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.remove());

/** Lets the loop wait so many times, and tells the minutes that it wanted to wait each time. */
async function serveFor(waits: number, during: (waits: number) => void = () => undefined): Promise<number[]> {
  const interrupted = new AbortController();
  const waited: number[] = [];
  await serve({
    open: () => world.job(),
    until: (time) => {
      waited.push(Math.ceil((time.getTime() - world.clock) / 60_000));
      world.clock = Math.max(world.clock, time.getTime());
      during(waited.length);
      if (waited.length > waits) interrupted.abort();
      return Promise.resolve();
    },
    interrupted: interrupted.signal,
  });
  return waited;
}
const known = () => readStatus(layout(world.roots), world.plan());
const healthyUntil = () => Number(readFileSync(join(world.roots.state, "state/healthy-until"), "utf8")) * 1000;

test("the first run waits for Vault, which the deployment is about to open", async () => {
  world.vault = "fresh";
  const open = (waits: number): void => {
    if (waits === 4) world.vault = "open";
  };
  expect(await serveFor(4, open)).toEqual([0, 1, 1, 1, 15]);
  expect((await known()).last?.outcome).toBe("committed");
});

test("no run waits longer than three minutes for a Vault that nobody opens, and later ones not at all", async () => {
  world.vault = "sealed";
  // This world's clock goes on by a second whenever it is read: two readings for each wait of two seconds.
  const waits = Array<number>(45).fill(1);
  expect(await serveFor(47)).toEqual([0, ...waits, 15, 15]);
  expect((await known()).last).toMatchObject({ outcome: "degraded", degraded: [{ part: "vault" }] });
});

test("runs at once, then from start to start", async () => {
  expect(await serveFor(2)).toEqual([0, 15, 15]);
  expect((await known()).last?.outcome).toBe("committed");
  expect(world.markers).toHaveLength(2);
});

test("has a part of the data read after the first run of a day", async () => {
  await serveFor(2);
  expect(world.calls.filter((call) => call === "restic check")).toHaveLength(1);
  expect((await known()).check).toMatchObject({ part: expect.stringMatching(/^\d+\/28$/) });
});

test("looks once a week for what the mirrors need no more", async () => {
  await serveFor(2);
  const first = (await known()).collection;
  expect(first).toMatchObject({ removed: 0, waiting: 0 });
  world.clock += 6 * 24 * 3600 * 1000;
  await serveFor(1);
  expect((await known()).collection).toEqual(first);
  world.clock += 24 * 3600 * 1000;
  await serveFor(1);
  expect((await known()).collection?.finished).not.toBe(first?.finished);
});

test("is healthy from its start, not after a run that failed, and tries again sooner", async () => {
  world.probe = 401;
  expect(await serveFor(0)).toEqual([0]);
  expect(healthyUntil()).toBeGreaterThan(world.clock);
  expect(await serveFor(2)).toEqual([0, 2, 2]);
  expect(healthyUntil()).toBe(0);
});

test("goes on after a defect", async () => {
  world.layouts = undefined as never;
  expect((await serveFor(3)).slice(0, 2)).toEqual([0, 5]);
  expect(world.said.some((line) => line.startsWith("TypeError"))).toBe(true);
  expect((await known()).last?.outcome).toBe("failed");
});
