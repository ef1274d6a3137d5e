import { Command } from "commander";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runDrill } from "../drill/drill.ts";
import { formatReport, renderPage } from "../drill/report.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, loadStack, type StackOptions } from "../stack.ts";

const HELP = `
On the VM, beside what runs: the newest backup is restored into a volume of its own. Dumps go into a database server on a
socket of its own and every row is counted; every package, LFS object and attachment that the database names has to be
there with its hash; git reads every object of every repository; Vault's snapshot is compared with its checksums; the
canaries of the run agree. Nothing stays. The VM does all of it but git's part by itself, once a day.

EXIT STATUS
  0    this backup can be restored
  1    failed: this backup is bad; what is wrong is listed
  2    there is no backup yet, or no offsite
  7    error: the VM or the offsite cannot be reached; nothing is known about the backup
  8    another drill runs
  9    error: the VM has no room or no memory for it; nothing is known about the backup
  130  stopped by Ctrl-C; nothing of it is left on the VM`;

interface DrillOptions extends StackOptions {
  readonly report?: string;
  readonly json?: true;
}

/** `foundation drill`: proves that the newest backup can be restored. */
export function drillCommand(shell: Shell): Command {
  return addStackOptions(new Command("drill"))
    .description("restore the newest backup beside everything else on the VM, and compare the stores with each other")
    .option("--report <directory>", "write drill.json and drill.html there")
    .option("--json", "print the report as JSON")
    .addHelpText("after", HELP)
    .action(async (options: DrillOptions) => {
      const report = await runDrill(shell, await loadStack(shell, options));
      const json = JSON.stringify(report, undefined, 2);
      if (options.report !== undefined) {
        await mkdir(options.report, { recursive: true });
        await writeFile(join(options.report, "drill.json"), `${json}\n`);
        await writeFile(join(options.report, "drill.html"), renderPage(report));
      }
      shell.print(options.json ? json : formatReport(report, shell.columns));
      shell.exitWith(report.exitCode);
    });
}
