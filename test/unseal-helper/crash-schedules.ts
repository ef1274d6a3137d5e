import { EXIT, UserError } from "../../errors.ts";
import { breakGlass } from "../../unseal-helper/breakglass.ts";
import { closeLeftOpen } from "../../unseal-helper/endpoint-window.ts";
import { ensure } from "../../unseal-helper/ensure.ts";
import { rekey } from "../../unseal-helper/rekey.ts";
import { combineShares } from "../../unseal-helper/shamir.ts";
import type { Tools } from "../../unseal-helper/unseal.ts";
import { takeSeed } from "./fake-seed.ts";
import { CREDENTIALS, ENSURE, FakeWorld, MASTER_KEY, type SeededTools, type Strike } from "./fake-world.ts";

// What can go wrong between a command and the world, and what must hold afterwards whatever it was.

/** One command, run in a world that is ready for it. */
export interface Scenario {
  readonly name: string;
  readonly version: string;
  readonly command: (tools: SeededTools) => Promise<unknown>;
}

/** The run that is struck at its `at`-th effect; the runs of a schedule follow one another. */
export interface Blow {
  readonly at: number;
  readonly how: Strike;
  /** years by which the wall clock is wrong in this run */
  readonly clockYears?: number;
}

const ensureCommand = (tools: SeededTools): Promise<unknown> =>
  ensure(tools, { ...ENSURE, seed: tools.seed, newEpoch: false });
const breakglassCommand = (tools: Tools): Promise<unknown> => breakGlass(tools, 900, () => Promise.resolve());

export const SCENARIOS: readonly Scenario[] = [
  { name: "ensure", version: "2.1.2", command: ensureCommand },
  ...["1.21.2", "2.1.2"].flatMap((version) => [
    { name: "rekey", version, command: rekey },
    { name: "breakglass", version, command: breakglassCommand },
  ]),
  // What `up` does on a new VM: the snapshot that stage 3 has put there comes into the empty Vault.
  { name: "restore", version: "2.1.2", command: ensureCommand },
];

export const STRIKES: readonly Strike[] = [
  ...(["before", "after", "lost", "truncated", "dropped", "full", "denied", "unsynced"] as const),
];

const ready = new Map<Scenario, FakeWorld>();

/** A world in which the scenario's command has everything to do. */
export async function prepare(scenario: Scenario): Promise<FakeWorld> {
  const { name, version } = scenario;
  const known = ready.get(scenario);
  if (known) return known.copy();
  const world = new FakeWorld();
  world.vault.version = version;
  if (name !== "ensure") await world.run(ensureCommand);
  const prepared = name === "restore" ? rebuilt(world) : world;
  ready.set(scenario, prepared);
  return prepared.copy();
}

/** A new VM with an empty Vault, the operator's file, and a snapshot of the former one. */
function rebuilt(former: FakeWorld): FakeWorld {
  const world = new FakeWorld();
  world.vault.version = former.vault.version;
  // A token or key of the former Vault is as secret on the new VM.
  world.vault.secrets.push(...former.vault.secrets);
  return Object.assign(world, { file: former.file, brought: takeSeed(former) });
}

/** How many effects the command has when nothing goes wrong. */
export async function countEffects(scenario: Scenario): Promise<number> {
  const world = await prepare(scenario);
  await world.run(scenario.command);
  return world.effects.length;
}

/**
 * Runs the command once per blow, then once in peace, and checks what must hold.
 *
 * @returns false where the last blow came too late to hit anything
 * @throws Error that names what does not hold
 */
export async function runSchedule(scenario: Scenario, blows: readonly Blow[]): Promise<boolean> {
  const world = await prepare(scenario);
  const said: string[] = [];
  let isHit = false;
  for (const { at, how, clockYears = 0 } of blows) {
    isHit = false;
    world.date = new Date(Date.UTC(2026 + clockYears, 0, 1));
    const fault = (count: number): Strike | undefined => {
      if (count !== at) return undefined;
      isHit = true;
      return how;
    };
    await world.run(scenario.command, fault).catch((error: unknown) => said.push(describe(error)));
  }
  if (!isHit) return false;
  await converge(scenario, world, said);
  return true;
}

/** A second operator runs the whole command at the first one's `at`-th effect, with the file as it was before. */
export async function runBeside(scenario: Scenario, at: number): Promise<void> {
  const world = await prepare(scenario);
  let theirs = world.file;
  const fault = async (count: number): Promise<undefined> => {
    if (count === at) theirs = await world.runBeside(theirs, scenario.command);
  };
  const said: string[] = [];
  await world.run(scenario.command, fault).catch((error: unknown) => said.push(describe(error)));
  try {
    await converge(scenario, world, said);
  } catch (error) {
    // The other one was first, and this one's file is outdated.
    if (!(error instanceof UserError) || error.exitCode !== EXIT.refused) throw error;
    world.file = theirs;
    await converge(scenario, world, said);
  }
}

async function converge(scenario: Scenario, world: FakeWorld, said: readonly string[]): Promise<void> {
  const { command } = scenario;
  const expected = (await prepare(scenario)).brought?.manifest.clusterId;
  requireThat(!world.isDataWiped, "DATA WIPED");
  await world.run(ensureCommand);
  await world.run(command);
  requireThat(!world.isDataWiped, "DATA WIPED");
  const settled = { file: world.file, marker: world.marker, wipes: world.wipes };
  await world.run(ensureCommand);
  const writes = world.effects.filter((name) => /^(write|wipe|initialise|shred|open|close|stop|restart)/.test(name));
  requireThat(writes.length === 0 && world.file === settled.file, `a further run writes: ${writes.join(", ")}`);
  await world.run(closeLeftOpen);
  await checkKeys(world);
  const { tokens, rootTokens } = world.vault.storage ?? { tokens: new Set(), rootTokens: new Set() };
  requireThat(!world.vault.sealed && world.running, "Vault is not open");
  requireThat(expected === undefined || world.vault.storage?.clusterId === expected, "DATA WIPED: not restored");
  requireThat(world.vault.openFamilies.length === 0, "an endpoint is open");
  requireThat(world.spool === undefined, "the answer of sys/init is still on the VM");
  if (command === breakglassCommand) {
    requireThat(![...tokens].some((token) => rootTokens.has(token)), "a root token is alive");
  }
  const visible = [world.file, world.marker, ...world.log, ...said].join("\n");
  const secrets = [...world.vault.secrets, MASTER_KEY.toString("hex"), CREDENTIALS.secretId];
  requireThat(!secrets.some((secret) => visible.includes(secret)), "PLAINTEXT");
}

/** The file knows which shares open Vault: those of its last epoch. */
async function checkKeys(world: FakeWorld): Promise<void> {
  const { store } = world.tools();
  await store.load();
  const { epoch } = store;
  requireThat(epoch?.phase === "COMMITTED" && store.pendingRekey === undefined, "the file is not settled");
  const key = combineShares(store.shares().slice(0, epoch?.t));
  requireThat(key.equals(world.vault.storage?.rootKey ?? Buffer.alloc(0)), "the file has other keys than Vault");
}

function requireThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

function describe(error: unknown): string {
  return error instanceof UserError ? `${error.message}\n${error.hint}` : String(error);
}
