import { Command } from "commander";
import { offsiteHostOf } from "../backup/job.ts";
import type { OffsiteHost } from "../backup/offsite-host.ts";
import { EXIT, UserError } from "../../errors.ts";
import { findSuspicious, findUnreadable, type Suspicion } from "../offsite/guard.ts";
import {
  checkRepository,
  findProblems,
  forget,
  listFiles,
  listSnapshots,
  moveAside,
  readFacts,
} from "../offsite/offsite.ts";
import { parseTime, requireRecoverable, show, summariseFiles } from "../offsite/quarantine.ts";
import { formatFacts } from "../offsite/report.ts";
import { planRetention } from "../offsite/retention.ts";
import type { RepositoryFile } from "../offsite/snapshot.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, loadStack, openStack, type OpenStack, type Stack, type StackOptions } from "../stack.ts";

const EXIT_STATUS = `
EXIT STATUS
  0   done; status: all is well
  1   check: the repository is damaged
  2   status: something is to do; any: this stack has no offsite
  4   the passphrase is missing or does not open the key file
  7   the offsite cannot be reached, or has another host key than the pinned one
  8   refused: it would lose backups, or --yes is missing
  64  wrong command line`;

const SHOWN = 10;

interface OffsiteOptions extends StackOptions {
  readonly json?: true;
}

interface ChangeOptions extends OffsiteOptions {
  readonly dryRun?: true;
  readonly yes?: true;
}

/** `foundation offsite`: what only the operator may do with the backups. The VM can add to them and nothing else. */
export function offsiteCommand(shell: Shell): Command {
  const command = (name: string, description: string) =>
    addStackOptions(new Command(name)).description(description).option("--json", "print the result as JSON");
  const change = (name: string, description: string) =>
    command(name, description).option("--dry-run", "say what would be done, and do nothing").option("--yes", "do it");
  return new Command("offsite")
    .description("look after the backups on the second host: status, check, prune, quarantine")
    .addHelpText("after", EXIT_STATUS)
    .addCommand(
      command("status", "whether it runs, how much it holds, how old the newest backup is").action(
        (options: OffsiteOptions) => status(shell, options),
      ),
    )
    .addCommand(
      command("check", "whether every backup is whole")
        .option("--read-data-subset <n/t>", "also read every byte of the n-th of t parts; 1/1 reads everything")
        .action((options: OffsiteOptions & { readDataSubset?: string }) => check(shell, options)),
    )
    .addCommand(
      change("prune", "give up old backups: all of 14 days stay, one a day of 60 days, one a week of a year")
        .option("--trust <id...>", "snapshots that are right although their time is not")
        .action((options: ChangeOptions & { trust?: string[] }) => prune(shell, options)),
    )
    .addCommand(
      change(
        "quarantine",
        "after a break-in: move keys, locks, index and snapshots that are newer out of the repository",
      )
        .requiredOption("--after <time>", "when all was still well, e.g. 2026-01-31T12:00:00Z")
        .action((options: ChangeOptions & { after: string }) => quarantine(shell, options)),
    );
}

/** What does the same where the repository is not on a host of ours, by command. `AWS_…` and the password: see the reference. */
const INSTEAD = {
  status: () => "npx foundation backup status",
  check: () => "npx foundation backup check --read-data-subset 1/28",
  prune: (url: string) =>
    `restic -r ${url} forget --host foundation --keep-tag generation --keep-within 60d --prune (what it needs: docs/reference.md)`,
  quarantine: (url: string) =>
    `restic -r ${url} snapshots, then forget what is not yours; only versions that the S3 server keeps bring back what was deleted`,
};

const hostOf = (shell: Shell, stack: Stack, command: keyof typeof INSTEAD): OffsiteHost => ({
  run: shell.run,
  target: offsiteHostOf(stack, `offsite ${command}`, INSTEAD[command]),
  where: "offsite",
});

async function status(shell: Shell, options: OffsiteOptions): Promise<void> {
  const stack = await loadStack(shell, options);
  const facts = await readFacts(hostOf(shell, stack, "status"));
  const problems = findProblems(facts, stack.config.backup.everyMinutes);
  shell.print(options.json ? JSON.stringify({ ...facts, problems }, undefined, 2) : formatFacts(facts, problems));
  shell.exitWith(problems.length === 0 ? EXIT.ok : EXIT.attention);
}

async function check(shell: Shell, options: OffsiteOptions & { readDataSubset?: string }): Promise<void> {
  const { readDataSubset: subset } = options;
  if (subset !== undefined && !/^[1-9]\d{0,2}\/[1-9]\d{0,2}$/.test(subset)) {
    throw new UserError(`offsite: --read-data-subset: not n/t: ${subset}`, "--read-data-subset 1/28", EXIT.usage);
  }
  const stack = await openStack(shell, options);
  const host = hostOf(shell, stack, "check");
  shell.notice(`offsite: checking ${subset === undefined ? "the structure" : `part ${subset} of the data`} …`);
  await checkRepository(host, stack.secrets.restic.password, subset);
  const result = { whole: true, readDataSubset: subset ?? null };
  shell.print(options.json ? JSON.stringify(result) : "offsite: no errors were found");
}

async function prune(shell: Shell, options: ChangeOptions & { trust?: string[] }): Promise<void> {
  const stack = await openStack(shell, options);
  const host = hostOf(shell, stack, "prune");
  const before = await requireOurs(host, stack);
  const snapshots = await listSnapshots(host, stack.secrets.restic.password);
  const files = (await listFiles(host, 0)).filter(({ kind }) => kind === "snapshots");
  refuseUnreadable(findUnreadable(snapshots, files));
  const trusted = options.trust ?? [];
  refuseSuspicious(
    findSuspicious(snapshots, files, before.nowSeconds).filter(
      ({ id }) => !trusted.some((start) => id.startsWith(start)),
    ),
  );
  const { keep, forget: given } = planRetention(snapshots, before.nowSeconds);
  const plan = `${String(given.length)} snapshots go, ${String(keep.length)} stay`;
  if (!options.dryRun) {
    requireYes(options, plan);
    shell.notice(`offsite: ${plan}; what only they use is cleared away …`);
    await forget(host, stack.secrets.restic.password, given);
  }
  const after = options.dryRun ? before : await readFacts(host);
  const result = { dryRun: options.dryRun ?? false, keep, forget: given, bytes: before.bytes, bytesAfter: after.bytes };
  const freed = options.dryRun ? "" : `; ${String(Math.round((before.bytes - after.bytes) / 2 ** 20))} MiB freed`;
  shell.print(options.json ? JSON.stringify(result, undefined, 2) : `offsite: ${plan}${freed}`);
}

async function quarantine(shell: Shell, options: ChangeOptions & { after: string }): Promise<void> {
  const after = parseTime("--after", options.after);
  const stack = await openStack(shell, options);
  const host = hostOf(shell, stack, "quarantine");
  const { nowSeconds, prunedSeconds } = await requireOurs(host, stack);
  const all = await listFiles(host, 0);
  const newer = all.filter(({ seconds }) => seconds > after);
  const keys = all.filter(({ kind }) => kind === "keys").length;
  requireRecoverable(after, { newer, keys, prunedSeconds, nowSeconds });
  const what = `${summariseFiles(newer)} newer than ${show(after)}`;
  if (!options.dryRun) requireYes(options, `${what} are moved out of the repository`);
  const aside = options.dryRun || newer.length === 0 ? undefined : await moveAside(host, after);
  const result = { dryRun: options.dryRun ?? false, after: show(after), files: newer, movedTo: aside ?? null };
  if (options.json) shell.print(JSON.stringify(result, undefined, 2));
  else shell.print(`offsite: ${what}${aside === undefined ? "" : `, now in ${aside} on ${host.target.address}`}`);
  // Who put garbage there can do it again until then.
  if (aside !== undefined)
    shell.notice(
      "now rebuild the VM: the new one gets another password for the offsite, and the old one is locked out",
    );
}

async function requireOurs(host: OffsiteHost, { secrets }: OpenStack) {
  const facts = await readFacts(host);
  if (facts.owner === secrets.ownerId && facts.hasRepository) return facts;
  throw new UserError(
    facts.hasRepository
      ? `offsite: ${host.target.address} holds backups of another foundation (${facts.owner})`
      : `offsite: there is no repository on ${host.target.address}`,
    "compare foundation:offsite with where the backups are",
    EXIT.refused,
  );
}

function requireYes({ yes }: ChangeOptions, what: string): void {
  if (yes) return;
  throw new UserError(
    `offsite: nothing was done: ${what}`,
    "look at it with --dry-run, do it with --yes",
    EXIT.refused,
  );
}

function refuseUnreadable([first, ...others]: readonly RepositoryFile[]): void {
  if (first === undefined) return;
  const more = others.length === 0 ? "" : `, and ${String(others.length)} more`;
  throw new UserError(
    `offsite: snapshot ${first.name.slice(0, 8)}${more} cannot be read; it was written ${show(first.seconds)}`,
    `npx foundation offsite quarantine --after ${show(first.seconds - 1)} --dry-run`,
    EXIT.refused,
  );
}

function refuseSuspicious(suspicions: readonly Suspicion[]): void {
  const [first] = suspicions;
  if (first === undefined) return;
  const lines = suspicions.slice(0, SHOWN).map(({ id, reason }) => `offsite: snapshot ${id.slice(0, 8)} ${reason}`);
  const rest = suspicions.length > SHOWN ? [`offsite: and ${String(suspicions.length - SHOWN)} more`] : [];
  throw new UserError(
    [...lines, ...rest].join("\n"),
    `if the VM was broken into: npx foundation offsite quarantine --help; if you know why: --trust ${first.id.slice(0, 8)}`,
    EXIT.refused,
  );
}
