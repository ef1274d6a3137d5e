import { EXIT, UserError, type ExitCode } from "../../errors.ts";
import type { Offsite, Repository } from "../../config.ts";
import type { Shell } from "../shell.ts";
import { rootCommand, runOnVm } from "../ssh.ts";
import type { Stack } from "../stack.ts";
import { progressFilter, remoteFailure } from "./remote-failure.ts";

/** A first backup sends everything, over whatever line there is. */
const RUN_LIMIT_SECONDS = 24 * 3600;

/** How a command of the backup job ended. */
export interface JobResult {
  readonly exitCode: ExitCode;
  /** its JSON */
  readonly result: unknown;
}

/**
 * The offsite of a stack.
 *
 * @throws UserError (attention) where it has none
 */
export function offsiteOf({ config }: Pick<Stack, "config">): Offsite | Repository {
  if (config.offsite !== "none") return config.offsite;
  throw new UserError(
    "backup: this stack has no offsite, so there is no backup: foundation:offsite is none",
    "pulumi config set --path foundation:offsite.address 198.51.100.9, then offsite.hostKey, then pulumi up",
    EXIT.attention,
  );
}

/**
 * The second host of a stack, for what is done on it.
 *
 * @param what cannot be done without one, the beginning of the message
 * @param instead what to do where somebody else keeps the repository
 * @throws UserError (attention) where the stack has no offsite; (refused) where it is no host of ours
 */
export function offsiteHostOf(
  stack: Pick<Stack, "config">,
  what: string,
  instead: (repository: string) => string,
): Offsite {
  const offsite = offsiteOf(stack);
  if ("address" in offsite) return offsite;
  const { repository } = offsite;
  throw new UserError(
    `${what}: the offsite is no host of ours but the repository ${repository}`,
    instead(repository),
    EXIT.refused,
  );
}

/**
 * Runs a command of the backup job in its container on the VM. Its progress is passed on as it comes.
 *
 * @throws UserError with the job's own message and exit code; (unreachable) where the container does not run
 */
export async function runJob(shell: Shell, stack: Stack, args: readonly string[]): Promise<JobResult> {
  offsiteOf(stack);
  const target = stack.config.host;
  const argv = ["docker", "exec", "backup", "node", "/opt/backup/job.mjs", ...args];
  const progress = progressFilter((line) => {
    shell.notice(line);
  });
  const finished = await runOnVm(shell.run, "backup", target, rootCommand(target, argv), {
    timeoutSeconds: RUN_LIMIT_SECONDS,
    onLine: progress.line,
  });
  const { exitCode, stdout, stderr } = finished;
  if (/No such container: backup|container \S+ is not running/i.test(stderr)) {
    throw new UserError("backup: the container backup does not run on the VM", "pulumi up", EXIT.unreachable);
  }
  const code = Object.values(EXIT).find((known) => known === exitCode);
  // A command that has something to say about a failure prints its result all the same.
  if (code === undefined || (code !== EXIT.ok && stdout.trim() === "")) throw remoteFailure("backup", finished);
  progress.flush();
  return { exitCode: code, result: parseResult(stdout) };
}

function parseResult(stdout: string): unknown {
  try {
    return JSON.parse(stdout);
  } catch {
    throw new UserError(
      "backup: the job's answer was cut off or is of another version",
      "run the command again; if it stays: pulumi up",
    );
  }
}
