import { EXIT, UserError } from "../errors.ts";
import type { ExecResult } from "./exec.ts";

/**
 * The error of another program of this repository, with its own exit code.
 *
 * @param result its `error:` and `hint:` lines are taken over
 * @param message used where it said nothing in that form; @param hint likewise
 */
export function programFailure({ code, stdout, stderr }: ExecResult, message: string, hint: string): UserError {
  // Of several errors the first is the cause; others tend to follow from it.
  const lines = `${stdout}\n${stderr}`.split("\n");
  const labelled = (label: string): string | undefined =>
    lines.find((line) => line.startsWith(`${label}: `))?.slice(label.length + 2);
  const known = Object.values(EXIT).find((value) => value === code);
  return new UserError(labelled("error") ?? message, labelled("hint") ?? hint, known ?? EXIT.failed);
}
