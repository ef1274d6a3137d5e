import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VerifyContext } from "./context.ts";
import type { Forge } from "./forge.ts";

/** One thing that a foundation has to be able to do, tried for real. */
export interface Check {
  /** for the command line: lower case, hyphens */
  readonly name: string;
  /** for people */
  readonly title: string;
  /**
   * Tries it and leaves nothing behind.
   *
   * @param forge the forge with a token that all checks share: every login with the password costs it half a second
   * @returns what was done, in one line
   * @throws Skipped where this machine lacks the client; anything else is a failure of the foundation
   */
  run(context: VerifyContext, scratch: Scratch, forge: Forge): Promise<string>;
}

/** The check cannot be made from this machine; nothing is known about the foundation. */
export class Skipped extends Error {}

/** What a check may leave lying about while it runs. */
export interface Scratch {
  /** `verify-` and eight hexadecimal digits: the name of whatever the check creates */
  readonly id: string;
  /** an empty directory of this check's own, mode 0700 */
  readonly directory: string;
  /** Registers how to undo something that was just created; undone in reverse order, also after a failure. */
  defer(undo: () => Promise<unknown>): void;
}

/** Gives an action a scratch space and takes it away afterwards. What cannot be undone is an error. */
export async function withScratch<T>(action: (scratch: Scratch) => Promise<T>): Promise<T> {
  const undoing: (() => Promise<unknown>)[] = [];
  const directory = await mkdtemp(join(tmpdir(), "foundation-verify-"));
  undoing.push(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
  const id = `verify-${randomBytes(4).toString("hex")}`;
  // the first failure says more than what follows from it, but everything that can be undone is undone
  const failures: unknown[] = [];
  const attempt = async (step: () => Promise<unknown>) => {
    try {
      return await step();
    } catch (error) {
      failures.push(error);
      return undefined;
    }
  };
  const result = await attempt(() => action({ id, directory, defer: (undo) => undoing.push(undo) }));
  for (const undo of undoing.reverse()) await attempt(undo);
  if (failures.length > 0) throw failures[0];
  return result as T;
}
