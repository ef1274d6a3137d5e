import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { backUp } from "../../backup/backup.ts";
import { execute } from "../../backup/commands.ts";
import { readStatus, writeStatus, type Status } from "../../backup/status.ts";
import { EXIT } from "../../errors.ts";
import { World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = new World();
  await backUp(await world.job());
});
afterEach(() => world.remove());

async function status(change: Partial<Status> = {}, metrics = false) {
  const job = await world.job();
  const now = new Date(world.clock);
  await writeStatus(job.layout, { ...(await readStatus(job.layout, job.plan)), ...change }, now);
  const { exitCode, lines } = await execute(job, { command: "status", json: false, metrics });
  return { exitCode, lines: lines.slice(2) };
}

describe("status", () => {
  it("of a run that went well", async () => {
    expect(await status()).toEqual({ exitCode: EXIT.ok, lines: [] });
  });

  it("says that files of a mirror wait for somebody to look", async () => {
    const reason = "forgejo: 30 of 100 files would go";
    const collection = { finished: "2026-01-31T12:00:00.000Z", removed: 0, bytes: 0, waiting: 30, reason };
    expect(await status({ collection })).toEqual({
      exitCode: EXIT.attention,
      lines: [`backup: mirror: nothing more removed: ${reason}`],
    });
  });

  it("says for a week that a rebuild began with stores of different backups, and shows it after that", async () => {
    const problems = ["canary: the row is of run 1, not of 2"];
    const rebuilt = { finished: new Date(world.clock).toISOString(), snapshot: "5", stores: ["row"], problems };
    const lines = ["rebuilt: canary: the row is of run 1, not of 2"];
    expect(await status({ rebuilt })).toEqual({ exitCode: EXIT.attention, lines });
    world.clock += 8 * 24 * 3600 * 1000;
    await backUp(await world.job());
    expect(await status()).toEqual({ exitCode: EXIT.ok, lines });
  });

  it("is figures for Prometheus where these are asked for", async () => {
    expect((await status({}, true)).lines).toContain("foundation_backup_healthy 1");
  });
});
