// Every crash schedule of the unseal helper's journalled commands: one fault at each effect, each pair of faults in two
// runs, a second operator at each effect. `node bench/crash-schedules.ts [SCENARIO...]`
import {
  type Blow,
  countEffects,
  runBeside,
  runSchedule,
  type Scenario,
  SCENARIOS,
  STRIKES,
} from "../test/unseal-helper/crash-schedules.ts";

interface Tally {
  schedules: number;
  converged: number;
  wipes: number;
  plaintext: number;
  failures: string[];
}

async function attempt(tally: Tally, what: string, run: () => Promise<unknown>): Promise<boolean> {
  try {
    if ((await run()) === false) return false;
    tally.schedules++;
    tally.converged++;
  } catch (error) {
    const reason = (error as Error).message;
    tally.schedules++;
    if (reason.includes("DATA WIPED")) tally.wipes++;
    if (reason.includes("PLAINTEXT")) tally.plaintext++;
    tally.failures.push(`${what}: ${reason}`);
  }
  return true;
}

async function runAll(scenario: Scenario): Promise<Tally> {
  const tally: Tally = { schedules: 0, converged: 0, wipes: 0, plaintext: 0, failures: [] };
  const effects = await countEffects(scenario);
  const tryBlows = (blows: readonly Blow[]): Promise<boolean> =>
    attempt(tally, JSON.stringify(blows), () => runSchedule(scenario, blows));
  for (let at = 1; at <= effects; at++) {
    for (const how of STRIKES) for (const clockYears of [-10, 0, 10]) await tryBlows([{ at, how, clockYears }]);
    await attempt(tally, `second operator at ${at}`, () => runBeside(scenario, at));
    for (const [first, second] of [
      ["after", "after"],
      ["after", "lost"],
      ["lost", "after"],
    ] as const) {
      for (let next = 1; ; next++) {
        if (
          !(await tryBlows([
            { at, how: first },
            { at: next, how: second },
          ]))
        )
          break;
      }
    }
  }
  return tally;
}

const wanted = process.argv.slice(2);
const total: Tally = { schedules: 0, converged: 0, wipes: 0, plaintext: 0, failures: [] };
console.log("command     Vault    schedules  converged  data wipes  plaintext  seconds");
const row = (name: string, version: string, tally: Tally, seconds: string): string =>
  `${name.padEnd(11)} ${version.padEnd(8)} ${String(tally.schedules).padStart(9)}  ${String(tally.converged).padStart(9)}` +
  `  ${String(tally.wipes).padStart(10)}  ${String(tally.plaintext).padStart(9)}  ${seconds.padStart(7)}`;
for (const scenario of SCENARIOS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const start = performance.now();
  const tally = await runAll(scenario);
  console.log(row(scenario.name, scenario.version, tally, ((performance.now() - start) / 1000).toFixed(0)));
  for (const key of ["schedules", "converged", "wipes", "plaintext"] as const) total[key] += tally[key];
  total.failures.push(...tally.failures);
}
console.log(row("all", "", total, ""));
for (const failure of total.failures.slice(0, 20)) console.log(failure);
process.exitCode = total.failures.length === 0 ? 0 : 1;
