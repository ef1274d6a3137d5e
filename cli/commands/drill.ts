import { Command, Option } from "commander";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DrillReport } from "../../backup/drill-record.ts";
import { EXIT, UserError } from "../../errors.ts";
import { runDrill } from "../drill/drill.ts";
import { formatReport, renderPage } from "../drill/report.ts";
import { removeScratch, runScratchDrill } from "../drill/scratch.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, loadStack, openStack, type StackOptions } from "../stack.ts";
import { parseTarget } from "../target.ts";

const HELP = `
On the VM, beside what runs: the newest backup is restored into a volume of its own. Dumps go into a database server on a
socket of its own and every row is counted; every package, LFS object and attachment that the database names has to be
there with its hash; git reads every object of every repository; Vault's snapshot is compared with its checksums; the
canaries of the run agree. Nothing stays. The VM does all of it but git's part by itself, once a day.

With --from-scratch, the whole foundation is brought back on another host, by the deployment that a rebuild is, from a
copy of the stack: Docker, images, restore, Vault, forge, web server. Production need not even be there. What came back
can reach nothing but the offsite, which it only reads, and nobody reaches it. Then it is compared with the backup:
  git        as many repositories and references; each leads to an object, packs are whole; git reads every object
  database   every row of every table, when it was restored; every table is there with the forge running
  objects    not fewer, not smaller in each bucket; each one that the database names, by size and hash
  Vault      opened by its shares, the same cluster
  canary     the run of the backup in a row, an object, a git tag and a key of Vault
The host needs what a VM of this stack needs, and has to be empty. Afterwards it is again, but for Docker and pulled images.

EXIT STATUS
  0    this backup can be restored
  1    failed: this backup is bad; what is wrong is listed
  2    there is no backup yet, or no offsite; or it can be restored, but the scratch host could not be cleaned up
  4    from scratch: the passphrase is missing or does not open the key file
  5    from scratch: the key file is missing or damaged
  7    error: a host cannot be reached; nothing is known about the backup
  8    another drill runs; or the scratch host is the VM or the offsite, or has a foundation
  9    error: no room, no memory, or the deployment stopped; nothing is known about the backup
  64   wrong command line
  130  stopped by Ctrl-C; nothing of it is left on the host`;

interface DrillOptions extends StackOptions {
  readonly report?: string;
  readonly json?: true;
  readonly fromScratch?: true;
  readonly to?: string;
  readonly hostKey?: string;
  readonly keep?: true;
  readonly remove?: true;
  readonly embedded?: true;
}

/** `foundation drill`: proves that the newest backup can be restored. */
export function drillCommand(shell: Shell): Command {
  return addStackOptions(new Command("drill"))
    .description("restore the newest backup beside everything else, or on another host, and compare the stores")
    .option("--from-scratch", "bring the whole foundation back on another host")
    .option("--to <user@host:port>", "with --from-scratch: that host, which has to be empty")
    .option("--host-key <key>", "with --from-scratch: its public SSH host key: 'ssh-ed25519 AAAA…'")
    .option("--keep", "with --from-scratch: leave there what was brought back")
    .option("--remove", "with --from-scratch: only remove what was left there")
    .option("--report <directory>", "write drill.json and drill.html there")
    .option("--json", "print the report as JSON")
    .addOption(new Option("--embedded", "the sandbox's engine instead of Pulumi").hideHelp())
    .addHelpText("after", HELP)
    .action(async (options: DrillOptions) => {
      const report = options.fromScratch ? await fromScratch(shell, options) : await beside(shell, options);
      if (report !== undefined) await publish(shell, options, report);
    });
}

async function beside(shell: Shell, options: DrillOptions): Promise<DrillReport> {
  const { to, hostKey, keep, remove } = options;
  if ([to, hostKey, keep, remove].some((value) => value !== undefined))
    throw usage("--to, --host-key, --keep and --remove go with --from-scratch");
  return await runDrill(shell, await loadStack(shell, options));
}

async function fromScratch(shell: Shell, options: DrillOptions): Promise<DrillReport | undefined> {
  const { to, hostKey, keep = false, remove = false, embedded = false } = options;
  if (to === undefined || hostKey === undefined) throw usage("--from-scratch needs --to HOST and --host-key KEY");
  if (remove && (keep || options.report !== undefined || options.json)) throw usage("--remove goes alone");
  const target = parseTarget("drill", "--to", to, hostKey);
  const stack = await openStack(shell, options);
  if (remove) {
    await removeScratch(shell, stack, target);
    return undefined;
  }
  return await runScratchDrill(shell, stack, { ...options, target, keep, embedded });
}

async function publish(shell: Shell, options: DrillOptions, report: DrillReport): Promise<void> {
  const json = JSON.stringify(report, undefined, 2);
  if (options.report !== undefined) {
    await mkdir(options.report, { recursive: true });
    await writeFile(join(options.report, "drill.json"), `${json}\n`);
    await writeFile(join(options.report, "drill.html"), renderPage(report));
  }
  shell.print(options.json ? json : formatReport(report, shell.columns));
  shell.exitWith(report.exitCode);
}

function usage(what: string): UserError {
  return new UserError(`drill: ${what}`, "npx foundation drill --help", EXIT.usage);
}
