import { describe, expect, it } from "vitest";
import { countEffects, runBeside, runSchedule, SCENARIOS, STRIKES } from "./crash-schedules.ts";

// A sample: bench/crash-schedules.ts runs them all.
const STRIDE = 5;

describe.each(SCENARIOS)("$name on Vault $version", { timeout: 240_000 }, (scenario) => {
  it("survives everything that can go wrong with one effect, at any clock", async () => {
    const effects = await countEffects(scenario);
    expect(effects).toBeGreaterThan(10);
    let schedule = 0;
    for (const how of STRIKES) {
      for (let at = 1 + (schedule++ % STRIDE); at <= effects; at += STRIDE) {
        expect(await runSchedule(scenario, [{ at, how, clockYears: schedule % 2 === 0 ? 10 : -10 }])).toBe(true);
      }
    }
  });

  it("survives a second blow to the run that makes good the first", async () => {
    const effects = await countEffects(scenario);
    for (let first = 1; first <= effects; first += STRIDE) {
      await runSchedule(scenario, [
        { at: first, how: "after" },
        { at: 1 + ((first * 7) % effects), how: "lost", clockYears: 10 },
      ]);
    }
  });

  it("survives a second operator", async () => {
    const effects = await countEffects(scenario);
    for (let at = 1; at <= effects; at += STRIDE) await runBeside(scenario, at);
  });
});
