import { Command } from "commander";
import { resolve } from "node:path";
import type { Commit } from "../../backup/commit.ts";
import { renderMetrics } from "../../backup/metrics.ts";
import type { LastRun } from "../../backup/status.ts";
import { UserError } from "../../errors.ts";
import {
  formatCheck,
  formatCollected,
  formatCommit,
  formatList,
  formatStatus,
  type ShownStatus,
} from "../backup/format.ts";
import { offsiteOf, runJob, type JobResult } from "../backup/job.ts";
import { sendKit } from "../backup/kit-transfer.ts";
import { offsiteWarning } from "../../offsite-warning.ts";
import type { Shell } from "../shell.ts";
import { addStackOptions, loadStack, stackFilePath, type StackOptions } from "../stack.ts";

const EXIT_STATUS = `
EXIT STATUS
  0    done; status: the newest backup is recent and whole
  1    the backup or the check failed; there is no such backup
  2    the backup is there and something is missing in it or late; or the stack has no offsite
  7    the VM or the offsite cannot be reached, or the container backup does not run
  64   wrong command line
  130  stopped by Ctrl-C; a backup that runs on the VM goes on there`;

interface JsonOptions extends StackOptions {
  readonly json?: true;
}

/** `foundation backup`: what the job on the VM does by itself, on request, and what it has done. */
export function backupCommand(shell: Shell): Command {
  return new Command("backup")
    .description("back up now, list and look into backups, check them, clear the mirrors, send the rebuild kit")
    .addHelpText("after", EXIT_STATUS)
    .addCommand(nowCommand(shell))
    .addCommand(jobCommand(shell, "list", "every whole backup, the newest first", formatList))
    .addCommand(infoCommand(shell))
    .addCommand(checkCommand(shell))
    .addCommand(collectCommand(shell))
    .addCommand(statusCommand(shell))
    .addCommand(kitCommand(shell));
}

function statusCommand(shell: Shell): Command {
  return withJson(new Command("status"))
    .description("how the last run went and how old the newest backup is")
    .option("--metrics", "the same for Prometheus")
    .action(async (options: JsonOptions & { metrics?: true }) => {
      const stack = await loadStack(shell, options);
      const result = await runJob(shell, stack, ["status", "--json"]);
      const format = options.metrics ? (status: ShownStatus) => renderMetrics(status).join("\n") : formatStatus;
      answer(shell, options, result, format);
      const warning = offsiteWarning(stack.config);
      if (warning !== undefined) shell.notice(`warning: ${warning}`);
    });
}

function nowCommand(shell: Shell): Command {
  return withState(withJson(new Command("now")))
    .description("send the kit, then back up everything; services stay up")
    .action(async (options: JsonOptions & { state?: string }) => {
      const stack = await loadStack(shell, options);
      await sendKit(shell, stack, kitSource(shell, options));
      const done = await runJob(shell, stack, ["run", "--json"]);
      const last = done.result as LastRun & { readonly commit?: Commit };
      if (last.commit === undefined)
        throw new UserError(last.reason ?? "backup: failed", last.hint ?? "", done.exitCode);
      answer(shell, options, done, () => formatCommit(last.commit as Commit));
    });
}

function infoCommand(shell: Shell): Command {
  return withJson(new Command("info"))
    .description("what one backup holds")
    .argument("<id>", "from `backup list`")
    .action(async (id: string, options: JsonOptions) => {
      answer(
        shell,
        options,
        await runJob(shell, await loadStack(shell, options), ["info", id, "--json"]),
        formatCommit,
      );
    });
}

function checkCommand(shell: Shell): Command {
  return withJson(new Command("check"))
    .description("whether the offsite's repository is sound, as the VM sees it")
    .option("--read-data-subset <n/t>", "also read a part of the data: the n-th of t")
    .action(async (options: JsonOptions & { readDataSubset?: string }) => {
      const subset = options.readDataSubset === undefined ? [] : ["--read-data-subset", options.readDataSubset];
      const result = await runJob(shell, await loadStack(shell, options), ["check", "--json", ...subset]);
      answer(shell, options, result, formatCheck);
    });
}

function collectCommand(shell: Shell): Command {
  return withJson(new Command("collect"))
    .description("clear the mirrors of objects that nothing has needed for 30 days, as the VM does once a week")
    .option("--force", "also where it is more than a twentieth of a mirror")
    .action(async (options: JsonOptions & { force?: true }) => {
      const force = options.force ? ["--force"] : [];
      const result = await runJob(shell, await loadStack(shell, options), ["collect", "--json", ...force]);
      answer(shell, options, result, formatCollected);
    });
}

function kitCommand(shell: Shell): Command {
  return withState(withJson(new Command("kit")))
    .description("send what a rebuild needs besides data: repository, keys, configuration, state, runbook")
    .action(async (options: JsonOptions & { state?: string }) => {
      const stack = await loadStack(shell, options);
      const kit = await sendKit(shell, stack, kitSource(shell, options));
      const where = "address" in offsiteOf(stack) ? "on the VM and the offsite" : "on the VM";
      const files = Object.keys(kit.files).length;
      if (options.json) shell.print(JSON.stringify(kit, undefined, 2));
      else shell.print(`kit: ${String(files)} files, repository at ${kit.commit.slice(0, 8)}, ${where}`);
    });
}

function jobCommand(shell: Shell, name: string, description: string, format: (result: never) => string): Command {
  return withJson(new Command(name))
    .description(description)
    .action(async (options: JsonOptions) => {
      answer(shell, options, await runJob(shell, await loadStack(shell, options), [name, "--json"]), format);
    });
}

function answer(
  shell: Shell,
  { json }: JsonOptions,
  { result, exitCode }: JobResult,
  format: (result: never) => string,
) {
  shell.print(json ? JSON.stringify(result, undefined, 2) : format(result as never));
  shell.exitWith(exitCode);
}

const withJson = (command: Command): Command => addStackOptions(command).option("--json", "print the result as JSON");

const withState = (command: Command): Command =>
  command.option("--state <file>", "an export of Pulumi's state for the kit, instead of asking Pulumi");

function kitSource(shell: Shell, options: StackOptions & { state?: string }) {
  const configFile = stackFilePath(shell, options);
  return options.state === undefined ? { configFile } : { configFile, stateFile: resolve(options.state) };
}
