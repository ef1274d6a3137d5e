import type { DrillReport } from "../../backup/drill-record.ts";
import type { Drill } from "../../config.ts";
import { EXIT, UserError } from "../../errors.ts";
import type { SshTarget } from "../../ssh-target.ts";
import { offsiteOf } from "../backup/job.ts";
import { interruption } from "../http.ts";
import { readFacts } from "../offsite/offsite.ts";
import type { Shell } from "../shell.ts";
import type { OpenStack, StackOptions } from "../stack.ts";
import { ScratchHost } from "./scratch-host.ts";
import { ScratchRecord, withoutVerdict } from "./scratch-record.ts";
import { copyStack } from "./scratch-stack.ts";
import { timeline } from "./scratch-timeline.ts";

/** How a drill from scratch is asked for. */
export interface ScratchOptions extends StackOptions {
  readonly target: SshTarget;
  /** leave what was brought back where it is */
  readonly keep: boolean;
  /** by the sandbox's engine in place of Pulumi */
  readonly embedded: boolean;
}

/** What the steps of a drill share. */
interface Drilling {
  readonly shell: Shell;
  readonly stack: OpenStack;
  readonly options: ScratchOptions;
  readonly host: ScratchHost;
  readonly record: ScratchRecord;
}

/**
 * Brings the whole foundation back on a scratch host, from its newest backup, by the deployment that a rebuild is, and
 * compares what came back with the backup's marker. Production is not asked and not touched; the host is given back.
 *
 * @returns the verdict; one that could not be reached is an outcome too
 * @throws UserError where nothing was brought back yet; (interrupted) once the host is clean again
 */
export async function runScratchDrill(shell: Shell, stack: OpenStack, options: ScratchOptions): Promise<DrillReport> {
  const { target, keep } = options;
  requireScratch(stack, target);
  const record = new ScratchRecord();
  const drilling = { shell, stack, options, record, host: new ScratchHost(shell, stack, target) };
  const drill = await lender(shell, stack).catch(rethrow);
  shell.notice(`drill: taking ${target.address}`);
  await drilling.host.take().catch(rethrow);
  try {
    await drilling.host.requireFit();
    await rebuild(drilling, drill);
  } catch (error) {
    const isOutcome = error instanceof UserError && error.exitCode !== EXIT.interrupted && !record.isEmpty;
    if (!isOutcome) {
      await giveBack(drilling);
      rethrow(error);
    } else record.error("drill", record.elapsed(), error);
  }
  if (keep) shell.notice(`drill: kept on ${target.address}; it goes with: ${removal(target)}`);
  else await giveBack(drilling);
  return record.report(stack.secrets.ownerId);
}

/** Removes what a drill has left on a host, or was told to leave there. */
export async function removeScratch(shell: Shell, stack: OpenStack, target: SshTarget): Promise<void> {
  requireScratch(stack, target);
  await new ScratchHost(shell, stack, target).clean();
}

function requireScratch({ config: { host, offsite } }: OpenStack, target: SshTarget): void {
  const isSame = (other: SshTarget) => other.address === target.address || other.hostKey === target.hostKey;
  const refuse = (what: string) =>
    new UserError(`drill: ${target.address} is ${what}`, "choose a host that has nothing of anybody's", EXIT.refused);
  if (isSame(host)) throw refuse("the VM itself");
  if (offsite !== "none" && "address" in offsite && isSame(offsite)) throw refuse("the offsite");
}

/** By whose access the backups are read: the offsite knows, with the VM gone too. */
async function lender(shell: Shell, stack: OpenStack): Promise<Drill> {
  const offsite = offsiteOf(stack);
  if (!("address" in offsite)) return {};
  const { generation, keyHint } = await readFacts({ run: shell.run, target: offsite, where: "drill" });
  if (generation === undefined)
    throw new UserError("drill: no VM has backed up at the offsite yet", "npx foundation up", EXIT.attention);
  return { asVm: generation.vmId, ...(keyHint === undefined ? {} : { keyHint }) };
}

async function rebuild({ shell, stack, options, host, record }: Drilling, drill: Drill): Promise<void> {
  const copy = await copyStack(shell, stack, options, { host: options.target, drill, embedded: options.embedded });
  try {
    const began = Date.now() / 1000;
    shell.notice("drill: deploying; that begins with the newest backup");
    const code = await copy.deploy();
    if (shell.interrupted.aborted) throw interruption();
    const ended = Date.now() / 1000;
    await lookBack({ host, record }, { began, ended, succeeded: code === EXIT.ok });
  } finally {
    await copy.remove();
  }
  const { journal } = await host.facts();
  if (journal?.phase !== "done" || journal.mode !== "restored") return;
  shell.notice("drill: comparing what came back with the backup");
  const from = record.elapsed();
  const checked = await host.check();
  record.backup = checked.backup ?? record.backup;
  const later = (second: number) => Math.round((second + from) * 10) / 10;
  record.add(
    checked.phases.map((phase) => ({ ...phase, name: `check: ${phase.name}`, startSecond: later(phase.startSecond) })),
  );
}

/** Writes down how the deployment went, from what it has left on the host. */
async function lookBack(
  { host, record }: Pick<Drilling, "host" | "record">,
  { began, ended, succeeded }: { readonly began: number; readonly ended: number; readonly succeeded: boolean },
): Promise<void> {
  const facts = await host.facts();
  const ahead = facts.clock - Date.now() / 1000;
  const byItsClock = { started: record.started + ahead, began: began + ahead, ended: ended + ahead };
  record.add(timeline(facts, { ...byItsClock, succeeded }));
  const { journal } = facts;
  if (typeof journal?.snapshot === "string")
    record.backup = { snapshot: journal.snapshot, finished: journal.backup ?? "", run: "" };
  if (journal?.phase === "done" && journal.mode !== "restored") {
    const none = new UserError("drill: there is no backup yet", "npx foundation backup now", EXIT.attention);
    record.error("restore", record.elapsed(), none);
  } else if (succeeded) {
    record.rebuilt = { seconds: Math.round((ended - began) * 10) / 10 };
  } else {
    const from = record.elapsed();
    const why = await host.whyNotRestored();
    if (why?.exitCode === EXIT.failed) record.failed("restore", from, why);
    else record.error(why === undefined ? "deployment" : "restore", from, why ?? stopped());
  }
}

const stopped = (): UserError =>
  new UserError("stopped, though the restore is whole; why is said above", "hold the drill once more", EXIT.host);

async function giveBack({ shell, host, record, options: { target } }: Drilling): Promise<void> {
  const from = record.elapsed();
  shell.notice(`drill: cleaning up ${target.address}`);
  try {
    await host.clean();
    record.passed("cleaning up", from, "containers, networks, volumes, files, units; pulled images stay");
  } catch (error) {
    record.leftBehind(from, error as Error);
    shell.notice(`warning: ${(error as Error).message}\nhint: ${removal(target)}`);
  }
}

const removal = ({ user, address, port, hostKey }: SshTarget): string =>
  `npx foundation drill --from-scratch --remove --to ${user}@${address}:${String(port)} --host-key '${hostKey}'`;

/** Exit code 1 means that the backup is bad, and nobody has looked at it yet. */
function rethrow(error: unknown): never {
  throw error instanceof UserError ? withoutVerdict(error) : error;
}
