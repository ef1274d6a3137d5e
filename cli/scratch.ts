import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What an action may leave lying about while it runs. */
export interface Scratch {
  /** what it is for and eight hexadecimal digits, such as `verify-0123abcd`: the name of whatever the action creates */
  readonly id: string;
  /** an empty directory of this action's own, mode 0700 */
  readonly directory: string;
  /** Registers how to undo something that was just created; undone in reverse order, also after a failure. */
  defer(undo: () => Promise<unknown>): void;
}

/**
 * Gives an action a scratch space and takes it away afterwards. What cannot be undone is an error.
 *
 * @param purpose lower case: the beginning of every name
 */
export async function withScratch<T>(purpose: string, action: (scratch: Scratch) => Promise<T>): Promise<T> {
  const undoing: (() => Promise<unknown>)[] = [];
  const directory = await mkdtemp(join(tmpdir(), `foundation-${purpose}-`));
  undoing.push(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }));
  const id = `${purpose}-${randomBytes(4).toString("hex")}`;
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
