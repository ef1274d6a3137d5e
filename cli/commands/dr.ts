import { Command } from "commander";
import { offsiteHostOf, offsiteOf } from "../backup/job.ts";
import { fillRunbook, readRunbook } from "../backup/runbook.ts";
import { EXIT, UserError } from "../../errors.ts";
import type { Shell } from "../shell.ts";
import { parseTarget } from "../target.ts";
import { addStackOptions, loadStack, openStack, type StackOptions } from "../stack.ts";

const EXIT_STATUS = `
EXIT STATUS
  0   done; check: everything that a rebuild needs is there
  2   check: something is to do
  4   the passphrase is missing or does not open the key file
  5   the offsite holds no key file, or a kit that is not whole
  7   the offsite cannot be reached, or has another host key than the pinned one
  8   fetch: the directory is not empty`;

/** `foundation dr`: the way back from nothing, looked after before it is needed. */
export function drCommand(shell: Shell): Command {
  return new Command("dr")
    .description("the way back from nothing: is it open, what to fetch, what to do (runbook)")
    .addHelpText("after", EXIT_STATUS)
    .addCommand(checkCommand(shell))
    .addCommand(listCommand(shell))
    .addCommand(fetchCommand(shell))
    .addCommand(runbookCommand(shell));
}

function checkCommand(shell: Shell): Command {
  return addStackOptions(new Command("check"))
    .description("whether this machine could rebuild the foundation now; asks the offsite, not the VM")
    .option("--json", "print the findings as JSON")
    .action(async (options: StackOptions & { json?: true }) => {
      const stack = await openStack(shell, options);
      const { checkReadiness, formatReadiness } = await import("../backup/dr-check.ts");
      const findings = await checkReadiness(shell, stack, offsiteOf(stack));
      shell.print(options.json ? JSON.stringify(findings, undefined, 2) : formatReadiness(findings));
      shell.exitWith(findings.every(({ good }) => good) ? EXIT.ok : EXIT.attention);
    });
}

function listCommand(shell: Shell): Command {
  return addStackOptions(new Command("list"))
    .description("the newest backups on the offsite; asks the offsite, not the VM")
    .option("--limit <number>", "at most so many", "10")
    .option("--json", "print the list as JSON")
    .action(async (options: StackOptions & { limit: string; json?: true }) => {
      if (!/^[1-9]\d{0,3}$/.test(options.limit))
        throw new UserError(`dr: --limit: not a number: ${options.limit}`, "--limit 10", EXIT.usage);
      const stack = await openStack(shell, options);
      const { restic, ownerId } = stack.secrets;
      const instead = (url: string) =>
        `npx foundation backup list; with the VM gone: restic -r ${url} snapshots --tag commit`;
      const host = { run: shell.run, target: offsiteHostOf(stack, "dr list", instead), where: "dr" };
      const { newestCommits } = await import("../backup/commits.ts");
      const { formatList } = await import("../backup/format.ts");
      const found = await newestCommits(host, restic.password, ownerId, Number(options.limit));
      shell.print(options.json ? JSON.stringify(found, undefined, 2) : formatList(found));
    });
}

interface FetchOptions {
  readonly offsite: string;
  readonly hostKey: string;
  readonly out: string;
  readonly stack?: string;
  readonly json?: true;
}

function fetchCommand(shell: Shell): Command {
  return new Command("fetch")
    .description(
      "the repository with keys and configuration from the newest backup; needs the passphrase, nothing else",
    )
    .requiredOption("--offsite <user@host:port>", "the second host")
    .requiredOption("--host-key <key>", "its public SSH host key: 'ssh-ed25519 AAAA…'")
    .requiredOption("--out <directory>", "where the checkout goes; must not exist, or be empty")
    .option("-s, --stack <name>", "which one, where the offsite holds several")
    .option("--json", "print what was fetched as JSON")
    .action(async (options: FetchOptions) => {
      const { fetchKit } = await import("../backup/dr-fetch.ts");
      const { out, stack } = options;
      const target = parseTarget("dr", "--offsite", options.offsite, options.hostKey);
      const fetched = await fetchKit(shell, { target, out, ...(stack === undefined ? {} : { stack }) });
      if (options.json) {
        shell.print(JSON.stringify(fetched, undefined, 2));
        return;
      }
      const { snapshot, finished } = fetched.backup;
      shell.print(
        `${fetched.out}: the repository at ${fetched.kit.commit.slice(0, 8)} with the keys of ${fetched.stack}`,
      );
      shell.print(`as of backup ${snapshot.slice(0, 8)} of ${finished}`);
      shell.notice(
        `next: cd ${fetched.out} && npm ci --ignore-scripts && npx foundation dr runbook --stack ${fetched.stack}`,
      );
    });
}

function runbookCommand(shell: Shell): Command {
  return addStackOptions(new Command("runbook"))
    .description("what to do on the bad night, with this stack's names: print it and keep it with the recovery sheet")
    .action(async (options: StackOptions) => {
      shell.print(fillRunbook(readRunbook(shell.projectDirectory), await loadStack(shell, options)).trimEnd());
    });
}
