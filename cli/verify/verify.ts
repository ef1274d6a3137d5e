import { EXIT, UserError } from "../../errors.ts";
import { withScratch } from "../scratch.ts";
import { Skipped, type Check } from "./check.ts";
import { containerRegistry } from "./checks/container-registry.ts";
import { database } from "./checks/database.ts";
import { gitOverHttps, gitOverSsh } from "./checks/git.ts";
import { largeFiles } from "./checks/lfs.ts";
import { npmRegistry } from "./checks/npm-registry.ts";
import { closedPorts } from "./checks/ports.ts";
import { objectStore } from "./checks/s3.ts";
import { transportSecurity } from "./checks/tls.ts";
import { refusedVaultPaths, secretStore } from "./checks/vault.ts";
import type { VerifyContext } from "./context.ts";
import { openForge, type Forge } from "./forge.ts";

/** How one check went. */
export interface Result {
  readonly name: string;
  readonly title: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly seconds: number;
  /** what was done, what went wrong, or why nothing was done */
  readonly detail: string;
  /** what to do about a failure */
  readonly hint?: string;
}

/** Everything that `foundation verify` tries, in the order in which it is shown. */
export const CHECKS: readonly Check[] = [
  transportSecurity,
  gitOverHttps,
  gitOverSsh,
  largeFiles,
  containerRegistry,
  npmRegistry,
  objectStore,
  secretStore,
  refusedVaultPaths,
  database,
  closedPorts,
];

/** Clients are mostly waiting for the VM; more at once than this only blurs the times. */
const PARALLEL = 4;

/**
 * The checks with the given names, all of them when none is named.
 *
 * @throws UserError (usage)
 */
export function chooseChecks(names: readonly string[]): readonly Check[] {
  const unknown = names.find((name) => !CHECKS.some((check) => check.name === name));
  if (unknown !== undefined) {
    const known = CHECKS.map((check) => check.name).join(", ");
    throw new UserError(`verify: no such check: ${unknown}`, `one or more of: ${known}`, EXIT.usage);
  }
  return names.length === 0 ? CHECKS : CHECKS.filter((check) => names.includes(check.name));
}

/**
 * Runs checks, several at a time, to the end of each.
 *
 * @param onResult called as each check ends
 * @returns the results in the order of the checks
 * @throws UserError (interrupted) after Ctrl-C, once everything has been undone
 */
export async function runChecks(
  checks: readonly Check[],
  context: VerifyContext,
  onResult: (result: Result) => void = () => undefined,
): Promise<Result[]> {
  return withScratch("verify", async (shared) => {
    const forge = openForge(context, shared);
    const results: Result[] = [];
    let next = 0;
    const worker = async () => {
      for (let index = next++; index < checks.length; index = next++) {
        const result = await runCheck(checks[index] as Check, context, forge);
        results[index] = result;
        onResult(result);
      }
    };
    const workers = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
    const broken = workers.find((ended) => ended.status === "rejected");
    if (broken) throw broken.reason;
    return results;
  });
}

async function runCheck(check: Check, context: VerifyContext, forge: Forge): Promise<Result> {
  const started = performance.now();
  const end = (outcome: Result["outcome"], detail: string, hint?: string): Result => {
    const seconds = Math.round((performance.now() - started) / 100) / 10;
    return { name: check.name, title: check.title, outcome, seconds, detail, ...(hint === undefined ? {} : { hint }) };
  };
  try {
    return end("passed", await withScratch("verify", (scratch) => check.run(context, scratch, forge)));
  } catch (error) {
    if (error instanceof Skipped) return end("skipped", error.message);
    if (error instanceof UserError) {
      if (error.exitCode === EXIT.interrupted) throw error;
      return end("failed", error.message, error.hint);
    }
    // A client library's own error, e.g. of S3: its name says more than its stack.
    const { name, message } = error as Error;
    return end("failed", name === "Error" ? message : `${name}: ${message}`);
  }
}
