import { Command } from "commander";
import { mkdir, rm } from "node:fs/promises";
import { resolve } from "node:path";
import type { Extracted } from "../../backup/restore-parts.ts";
import { EXIT, UserError } from "../../errors.ts";
import { runJob } from "../backup/job.ts";
import { fetchDirectory } from "../restore/fetch-directory.ts";
import { rebuildSteps } from "../restore/rebuild-steps.ts";
import { removeExtracted } from "../restore/remove-extracted.ts";
import { requirePlace, sendDirectory, type Place } from "../restore/send-directory.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, loadStack, type Stack, type StackOptions } from "../stack.ts";
import { parseTarget } from "../target.ts";

const HELP = `
Bringing everything back is not a command of its own: it is \`pulumi up\` on a bare VM, which restores before anything
starts. Without --only and --to, the exact steps for the backup that you name are printed, and nothing is done.

With --only, a part is taken out of a backup and put beside the services, which go on; nothing of theirs is changed.
  forgejo            repositories and all other files of the forge
  postgres           a dump of each database, for pg_restore
  s3                 the objects of each bucket, as files
  vault              Vault's snapshot, for: foundation vault restore FILE
  repo OWNER/NAME    one bare repository, to push from or to clone

With --to, the part, or without --only everything, goes as files into a directory of another host, to look at it or to
take single things out. That host needs ssh and tar, no more; nothing is started there. The VM has to run: it reads the
backup and needs room for what is taken out of it.

EXIT STATUS
  0    done; the result says where it is
  1    no such backup, or it cannot be read
  2    nothing was done, the steps were printed; or the stack has no offsite
  7    the VM, the offsite or the other host cannot be reached
  8    the directory on the other host is not empty; or that host is the VM or the offsite
  9    the other host has no room, no tar, or the user may not write there
  64   wrong command line
  130  stopped by Ctrl-C; nothing is left on the other host`;

interface RestoreOptions extends StackOptions {
  readonly at?: string;
  readonly id?: string;
  readonly only?: string;
  readonly to?: string;
  readonly hostKey?: string;
  readonly into?: string;
  readonly out?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/** `foundation restore`: a part of a backup beside the services or elsewhere, or the way to bring everything back. */
export function restoreCommand(shell: Shell): Command {
  return addStackOptions(new Command("restore"))
    .description("take a part out of a backup; or show how everything comes back")
    .argument("[repository]", "OWNER/NAME, with --only repo")
    .option("--at <time>", "the newest backup finished by then, e.g. 2026-01-31T12:00:00Z; the newest by default")
    .option("--id <id>", "this backup, from `backup list`")
    .option("--only <part>", "forgejo, postgres, s3, vault or repo")
    .option("--out <directory>", "with --only: bring it to this machine, into a directory that does not exist yet")
    .option("--to <user@host:port>", "send it, or everything, to another host; nothing runs there")
    .option("--host-key <key>", "with --to: its public SSH host key: 'ssh-ed25519 AAAA…'")
    .option("--into <directory>", "with --to: a directory there that is empty, or does not exist")
    .option("--dry-run", "say what would be written where")
    .option("--json", "print the result as JSON")
    .addHelpText("after", HELP)
    .action(async (repository: string | undefined, options: RestoreOptions) => {
      const { only, to, out, hostKey, into } = options;
      if (to === undefined && (hostKey !== undefined || into !== undefined))
        throw usage("--host-key and --into go with --to");
      if (to !== undefined && out !== undefined) throw usage("--out brings it here, --to elsewhere");
      if (only === undefined && (out !== undefined || repository !== undefined))
        throw usage("--out and OWNER/NAME go with --only");
      if (only === undefined && to === undefined && options.dryRun) throw usage("--dry-run goes with --only or --to");
      const stack = await loadStack(shell, options);
      if (only === undefined && to === undefined) explain(shell, stack, options);
      else await extract(shell, stack, options, repository);
    });
}

function explain(shell: Shell, stack: Stack, { at, id }: RestoreOptions): void {
  shell.print(rebuildSteps(stack, { seed: at ?? id }));
  shell.exitWith(EXIT.attention);
}

async function extract(shell: Shell, stack: Stack, options: RestoreOptions, repository?: string): Promise<void> {
  const { dryRun, json } = options;
  const place = placeOf(stack, options);
  // Before anything is read: a host that cannot take it is known in a second.
  if (place !== undefined) await requirePlace(shell, place);
  const { result } = await runJob(shell, stack, jobArguments(options, repository));
  const extracted = result as Extracted;
  const out = options.out === undefined ? undefined : resolve(options.out);
  if (!dryRun && (out ?? place) !== undefined) {
    try {
      if (out !== undefined) await fetchInto(shell, stack, extracted.directory, out);
      if (place !== undefined) await sendDirectory(shell, stack, extracted.directory, place);
    } finally {
      await removeExtracted(shell, stack, extracted.directory);
    }
  }
  const to = place && { host: place.target.address, directory: place.directory };
  shell.print(
    json ? JSON.stringify({ ...extracted, out, to }, undefined, 2) : format(extracted, { out, place, dryRun }),
  );
}

function jobArguments({ at, id, only = "all", dryRun }: RestoreOptions, repository?: string): string[] {
  return [
    "restore",
    ...["--only", only],
    ...(repository === undefined ? [] : [repository]),
    ...(at === undefined ? [] : ["--at", at]),
    ...(id === undefined ? [] : ["--id", id]),
    ...(dryRun ? ["--dry-run"] : []),
    "--json",
  ];
}

function placeOf({ config }: Stack, { to, hostKey, into }: RestoreOptions): Place | undefined {
  if (to === undefined) return undefined;
  if (into === undefined || hostKey === undefined) throw usage("--to needs --host-key KEY and --into DIRECTORY");
  if (!/^\/?[\w.][\w./@+-]*$/.test(into)) throw usage(`--into: not a plain path: ${into}`);
  const target = parseTarget("restore", "--to", to, hostKey);
  const { host, offsite } = config;
  const refuse = (what: string, hint: string) => new UserError(`restore: ${to} is ${what}`, hint, EXIT.refused);
  if (target.address === host.address)
    throw refuse("the VM itself", "without --to, it is put beside the services there");
  // Whoever takes the offsite gets ciphertext only; that has to stay so.
  if (offsite !== "none" && "address" in offsite && target.address === offsite.address)
    throw refuse("the offsite, where nothing lies in clear", "choose another host");
  return { target, directory: into };
}

async function fetchInto(shell: Shell, stack: Stack, directory: string, out: string): Promise<void> {
  await mkdir(out);
  await fetchDirectory(shell, stack, directory, out).catch(async (error: unknown) => {
    await rm(out, { recursive: true, force: true });
    throw error;
  });
}

interface Destination {
  readonly out: string | undefined;
  readonly place: Place | undefined;
  readonly dryRun: true | undefined;
}

function format({ snapshot, backup, directory, content }: Extracted, { out, place, dryRun }: Destination): string {
  const there = place && `${place.directory} on ${place.target.address}`;
  const where = out ?? there ?? `${directory} in the container backup on the VM`;
  const what = dryRun ? "would be in" : "is in";
  return [`backup ${snapshot.slice(0, 8)} of ${backup} ${what} ${where}:`, ...content.map((line) => `  ${line}`)].join(
    "\n",
  );
}

function usage(what: string): UserError {
  return new UserError(`restore: ${what}`, "npx foundation restore --help", EXIT.usage);
}
