import type { Scratch } from "../scratch.ts";
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
