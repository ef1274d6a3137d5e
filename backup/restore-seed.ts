import { EXIT, UserError } from "../errors.ts";
import type { Commit } from "./commit.ts";
import { type Backups, chooseBackup, parseChoice } from "./restore-choice.ts";
import type { Journal } from "./restore-journal.ts";

/** One step of a restore; doing it again does no harm. */
export interface Step {
  readonly name: string;
  run(): Promise<void>;
}

/** What {@link seed} sees of the world and does to it. */
export interface SeedEffects {
  readJournal(): Promise<Journal | undefined>;
  /** durable when it returns, with everything that was written before */
  writeJournal(journal: Journal): Promise<void>;
  /** what already holds data, as in `database forgejo` */
  findData(): Promise<string[]>;
  readonly backups: Backups;
  /** everything that a restore of this set consists of, in order */
  steps(commit: Commit): Step[];
  /** seconds of a clock that never jumps */
  now(): number;
  /** one line of progress */
  log(line: string): void;
}

/**
 * Fills empty stores: from a backup where there is one, else not at all. Stores that hold data are left alone, unless an
 * earlier run of this was cut short: that is gone on with, from the backup that it had chosen.
 *
 * @param request `auto`, `fresh`, a snapshot id or an ISO time
 * @throws UserError (refused) where a certain backup is wanted and there is data; as {@link chooseBackup}
 */
export async function seed(effects: SeedEffects, owner: string, request: string): Promise<Journal> {
  const journal = await effects.readJournal();
  if (journal?.phase === "restoring") return await resume(effects, owner, journal);
  const data = await effects.findData();
  const isCertain = request !== "auto" && request !== "fresh";
  if (data.length > 0) {
    // What it asked for is what it got.
    if (journal?.request === request) return journal;
    if (isCertain) throw notEmpty(request, data);
    return await done(effects, journal ?? entry("kept", request));
  }
  if (request === "fresh") return await done(effects, entry("fresh", request));
  effects.log("seed: the stores are empty; looking for a backup");
  const commit = await chooseBackup(effects.backups, parseChoice("foundation:seed", request), owner);
  if (commit === undefined) {
    effects.log("seed: there is none; a fresh foundation");
    return await done(effects, entry("fresh", request));
  }
  const chosen = { ...entry("restored", request), snapshot: commit.snapshot, backup: commit.finished };
  await effects.writeJournal({ ...chosen, phase: "restoring" });
  return await restore(effects, chosen, commit);
}

async function resume(effects: SeedEffects, owner: string, journal: Journal): Promise<Journal> {
  effects.log(`seed: an earlier restore of ${String(journal.snapshot).slice(0, 8)} was cut short; going on with it`);
  const choice = { kind: "id", id: String(journal.snapshot) } as const;
  const commit = await chooseBackup(effects.backups, choice, owner);
  return await restore(effects, journal, commit as Commit);
}

async function restore(effects: SeedEffects, journal: Journal, commit: Commit): Promise<Journal> {
  const { finished, snapshot, degraded } = commit;
  effects.log(`seed: restoring ${snapshot.slice(0, 8)} of ${finished}`);
  for (const { part, reason } of degraded) effects.log(`seed: this backup was taken without ${part}: ${reason}`);
  const seconds: Record<string, number> = {};
  const steps = effects.steps(commit);
  for (const [index, step] of steps.entries()) {
    const started = effects.now();
    await step.run();
    seconds[step.name] = Math.round((effects.now() - started) * 10) / 10;
    effects.log(`seed: ${String(index + 1)}/${String(steps.length)} ${step.name}: ${String(seconds[step.name])} s`);
  }
  return await done(effects, { ...journal, seconds });
}

async function done(effects: SeedEffects, journal: Journal): Promise<Journal> {
  const finished: Journal = { ...journal, phase: "done" };
  await effects.writeJournal(finished);
  return finished;
}

function entry(mode: Journal["mode"], request: string): Journal {
  return { version: 1, phase: "done", mode, request, snapshot: null, backup: null, seconds: {} };
}

function notEmpty(request: string, data: readonly string[]): UserError {
  return new UserError(
    `seed: ${request} is wanted, but there is data: ${data.join(", ")}`,
    "deploy to a bare VM; or take single things out of the backup: npx foundation restore --only …; " +
      "to go on with the data: pulumi config rm foundation:seed",
    EXIT.refused,
  );
}
