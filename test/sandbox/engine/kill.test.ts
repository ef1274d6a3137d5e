import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { EngineOptions } from "../../../sandbox/engine/engine.ts";
import { after, before } from "./killed-run.ts";
import { World } from "./world.ts";

const script = fileURLToPath(new URL("killed-run.ts", import.meta.url));

const EXPECTED = ["added=base new-name new-secret", "base=1", "first=2", "new-name=", "updated=2 new-secret"];

/** Runs the deployment in a process of its own that is killed at the given moment. */
function runKilled(world: World, moment: number): Promise<string | null> {
  const child = spawn(process.execPath, [script, world.directory, String(moment)], { stdio: "ignore" });
  return new Promise((resolve) => {
    child.on("close", (_code, signal) => {
      resolve(signal);
    });
  });
}

/** What a deployment that ended at some moment has left is brought to its end by the next one, and is at rest then. */
async function expectRecovery(world: World, at: string): Promise<void> {
  try {
    for (const secret of ["old-secret", "new-secret"]) expect(world.stateText).not.toContain(secret);
    const { failures, outputs } = await world.up(after);
    expect([at, failures, outputs]).toEqual([at, [], { note: "[secret]" }]);
    expect([at, world.things]).toEqual([at, EXPECTED]);
    expect([at, world.state.resources.map(({ condition }) => condition)]).toEqual([at, Array(5).fill("ready")]);
    const again = await world.up(after);
    expect([at, again.changes]).toEqual([at, { create: 0, update: 0, replace: 0, delete: 0, same: 5 }]);
  } finally {
    world.dispose();
  }
}

// What a process that is killed leaves is what is on the disk at that moment, so a copy of it made then is as good.
test("a deployment that ends at any moment is brought to its end by the next one", { timeout: 90_000 }, async () => {
  const world = await World.create();
  await world.up(before);
  const copies: { readonly at: string; readonly world: World }[] = [];
  const copy = (what: string): void => {
    const directory = mkdtempSync(join(tmpdir(), "engine-"));
    cpSync(world.directory, directory, { recursive: true });
    // the lock's owner is this process, which lives on
    rmSync(join(directory, "state", "sandbox.json.lock"));
    copies.push({ at: `${copies.length + 1}: ${what}`, world: new World(directory) });
  };
  world.onMoment = copy;
  const onEvent: EngineOptions["onEvent"] = (event) => {
    if (event.kind === "started" || event.kind === "done") copy(`${event.kind} ${event.subject.name}`);
  };
  await world.up(after, { onEvent, parallel: 2 });
  world.dispose();
  expect(copies.length).toBeGreaterThan(20);
  for (const { at, world: left } of copies) await expectRecovery(left, at);
});

test.each([7, 16])("so is one whose process is killed, here at moment %i", { timeout: 90_000 }, async (moment) => {
  const world = await World.create();
  await world.up(before);
  expect(await runKilled(world, moment)).toBe("SIGKILL");
  await expectRecovery(world, String(moment));
});
