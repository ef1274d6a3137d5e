import { EXIT, UserError } from "../../errors.ts";
import type { SshTarget } from "../../ssh-target.ts";
import type { Finished, Run, RunOptions } from "../exec.ts";
import { rootCommand, runOnVm } from "../ssh.ts";
import { remoteFailure } from "./remote-failure.ts";

/** Put there by a deployment. */
const SCRIPT = "/usr/local/lib/foundation/offsite";
const LIMIT_SECONDS = 3600;

/** The second host as the operator sees it: root over SSH, restic on the repository's own directory. */
export interface OffsiteHost {
  readonly run: Run;
  readonly target: SshTarget;
  /** first part of messages */
  readonly where: string;
}

/** What the offsite says about itself, by name: `owner`, `generation` (JSON), `repository`, `free_bytes`, … */
export async function offsiteStatus(host: OffsiteHost): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await command(host, [SCRIPT, "status"], {});
  return new Map(stdout.split("\n").flatMap((line) => (line.includes("=") ? [split(line)] : [])));
}

function split(line: string): [string, string] {
  const at = line.indexOf("=");
  return [line.slice(0, at), line.slice(at + 1)];
}

/**
 * Runs restic there.
 *
 * @param password of the repository; goes through standard input
 * @throws UserError with restic's last line
 */
export function resticOnOffsite(
  host: OffsiteHost,
  password: string,
  args: readonly string[],
  options: Pick<RunOptions, "outputFile" | "onLine"> = {},
): Promise<Finished> {
  return command(host, [SCRIPT, "restic", ...args], { ...options, input: `${password}\n` });
}

/**
 * The files that lie in clear on the offsite, as a tar archive in a new file: what the way back begins with.
 *
 * @throws UserError (unreachable, keyFile)
 */
export async function fetchOffsiteKit(host: OffsiteHost, archive: string): Promise<void> {
  const directory = "/var/lib/foundation-offsite/kit";
  const argv = ["tar", "-C", directory, "-cf", "-", "."];
  const finished = await runOnVm(host.run, host.where, host.target, rootCommand(host.target, argv), {
    outputFile: archive,
    timeoutSeconds: LIMIT_SECONDS,
  });
  if (finished.exitCode === 0) return;
  throw new UserError(
    `${host.where}: ${host.target.address} has no ${directory}`,
    "is it the offsite? A kit is put there by: npx foundation backup now",
    EXIT.keyFile,
  );
}

async function command(host: OffsiteHost, argv: readonly string[], options: RunOptions): Promise<Finished> {
  const { run, target, where } = host;
  const finished = await runOnVm(run, where, target, rootCommand(target, argv), {
    timeoutSeconds: LIMIT_SECONDS,
    ...options,
  });
  if (finished.exitCode === 127) {
    throw new UserError(`${where}: ${target.address} was never deployed as an offsite`, "pulumi up", EXIT.unreachable);
  }
  if (finished.exitCode !== 0) throw remoteFailure(where, finished);
  return finished;
}
