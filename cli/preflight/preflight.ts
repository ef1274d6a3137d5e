import { readFileSync } from "node:fs";
import { UserError } from "../../errors.ts";
import { lastLine, type Run } from "../exec.ts";
import { runOnVm } from "../ssh.ts";
import { parseFacts, type HostFacts, type NoRoot } from "./facts.ts";
import { judge, type Finding } from "./findings.ts";
import type { PreflightRequest } from "./request.ts";

/** Result of a preflight; `facts` say what was looked at. */
export interface PreflightReport {
  readonly facts: HostFacts | NoRoot;
  readonly findings: readonly Finding[];
}

/**
 * Looks at the VM, changing nothing, and says whether the foundation can go there.
 *
 * @throws UserError (unreachable) where there is no VM to look at, or it is not the pinned one
 */
export async function preflight(run: Run, request: PreflightRequest): Promise<PreflightReport> {
  const script = readFileSync(new URL("./preflight.sh", import.meta.url), "utf8");
  const fromSeconds = Date.now() / 1000;
  const command = `bash -s -- ${request.ports.join(" ")}`;
  const answer = await runOnVm(run, "preflight", request.target, command, { input: script, timeoutSeconds: 90 });
  const toSeconds = Date.now() / 1000;
  if (answer.exitCode !== 0) {
    throw new UserError(
      `preflight: the VM cannot run the check: ${lastLine(answer.stderr) ?? `exit code ${answer.exitCode}`}`,
      `log in and look: ssh -p ${request.target.port} ${request.target.user}@${request.target.address}`,
    );
  }
  const facts = parseFacts(answer.stdout);
  return { facts, findings: judge(facts, request, { fromSeconds, toSeconds }) };
}

/** One line that says what was found, for when nothing is wrong. */
export function summarise(facts: HostFacts): string {
  const free = Math.floor(facts.diskFreeKiB / 1024 / 1024);
  const docker = facts.docker === "absent" ? "Docker not installed yet" : `Docker ${facts.docker}`;
  return `${facts.os.name}, ${free} GiB free on ${facts.diskMount}, ${Math.floor(facts.memoryKiB / 1024)} MiB memory, ${docker}`;
}
