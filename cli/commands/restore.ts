import { Command } from "commander";
import { mkdir, rm } from "node:fs/promises";
import { resolve } from "node:path";
import type { Extracted } from "../../backup/restore-parts.ts";
import { EXIT, UserError } from "../../errors.ts";
import { runJob } from "../backup/job.ts";
import { fetchDirectory } from "../backup/fetch-directory.ts";
import { rebuildSteps } from "../backup/rebuild-steps.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, loadStack, type StackOptions } from "../stack.ts";

const HELP = `
Bringing everything back is not a command of its own: it is \`pulumi up\` on a bare VM, which restores before anything
starts. Without --only, the exact steps for the backup that you name are printed, and nothing is done.

With --only, a part is taken out of a backup and put beside the services, which go on; nothing of theirs is changed.
  forgejo            repositories and all other files of the forge
  postgres           a dump of each database, for pg_restore
  s3                 the objects of each bucket, as files
  vault              Vault's snapshot, for: foundation vault restore FILE
  repo OWNER/NAME    one bare repository, to push from or to clone

EXIT STATUS
  0   done; the result says where it is
  1   no such backup, or it cannot be read
  2   nothing was done, the steps were printed
  7   the VM or the offsite cannot be reached
  64  wrong command line`;

interface RestoreOptions extends StackOptions {
  readonly at?: string;
  readonly id?: string;
  readonly only?: string;
  readonly to?: string;
  readonly out?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/** `foundation restore`: a part of a backup beside the services, or the way to bring everything back. */
export function restoreCommand(shell: Shell): Command {
  return addStackOptions(new Command("restore"))
    .description("take a part out of a backup; or show how everything comes back")
    .argument("[repository]", "OWNER/NAME, with --only repo")
    .option("--at <time>", "the newest backup finished by then, e.g. 2026-01-31T12:00:00Z; the newest by default")
    .option("--id <id>", "this backup, from `backup list`")
    .option("--only <part>", "forgejo, postgres, s3, vault or repo")
    .option("--out <directory>", "with --only: bring it to this machine, into a directory that does not exist yet")
    .option("--to <host>", "without --only: the bare VM that everything is to go to")
    .option("--dry-run", "with --only: say what would be written")
    .option("--json", "print the result as JSON")
    .addHelpText("after", HELP)
    .action(async (repository: string | undefined, options: RestoreOptions) => {
      const { only, to, out } = options;
      if (only !== undefined && to !== undefined) throw usage("--to is for everything, --only for a part");
      if (only === undefined && (out !== undefined || repository !== undefined || options.dryRun))
        throw usage("--out, --dry-run and OWNER/NAME go with --only");
      if (only === undefined) await explain(shell, options);
      else await extract(shell, options, only, repository);
    });
}

async function explain(shell: Shell, options: RestoreOptions): Promise<void> {
  const stack = await loadStack(shell, options);
  const wanted = options.at ?? options.id;
  shell.print(rebuildSteps(stack, { to: options.to, seed: wanted }));
  shell.exitWith(EXIT.attention);
}

async function extract(shell: Shell, options: RestoreOptions, only: string, repository?: string): Promise<void> {
  const stack = await loadStack(shell, options);
  const { at, id, dryRun, json } = options;
  const { result } = await runJob(shell, stack, [
    "restore",
    ...["--only", only],
    ...(repository === undefined ? [] : [repository]),
    ...(at === undefined ? [] : ["--at", at]),
    ...(id === undefined ? [] : ["--id", id]),
    ...(dryRun ? ["--dry-run"] : []),
    "--json",
  ]);
  const extracted = result as Extracted;
  const out = options.out === undefined ? undefined : resolve(options.out);
  if (out !== undefined && !dryRun) {
    await mkdir(out);
    await fetchDirectory(shell, stack, extracted.directory, out).catch(async (error: unknown) => {
      await rm(out, { recursive: true, force: true });
      throw error;
    });
  }
  shell.print(json ? JSON.stringify({ ...extracted, out }, undefined, 2) : format(extracted, { out, dryRun }));
}

function format(
  { snapshot, backup, directory, content }: Extracted,
  to: { out?: string | undefined; dryRun?: true | undefined },
): string {
  const place = to.out ?? `${directory} in the container backup on the VM`;
  const what = to.dryRun ? "would be in" : "is in";
  return [`backup ${snapshot.slice(0, 8)} of ${backup} ${what} ${place}:`, ...content.map((line) => `  ${line}`)].join(
    "\n",
  );
}

function usage(what: string): UserError {
  return new UserError(`restore: ${what}`, "npx foundation restore --help", EXIT.usage);
}
