import { EXIT, UserError, type ExitCode } from "../../errors.ts";
import type { Finished } from "../exec.ts";

const CODES = Object.values(EXIT);
const HINT = /^hint: /;
const ERROR = /^error: /;

/**
 * What a program of this foundation said when it failed on another host: its last message with its hint, its exit code.
 *
 * @param where first part of the message where the program left none
 */
export function remoteFailure(where: string, { exitCode, stderr }: Finished): UserError {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const hintAt = lines.findLastIndex((line) => HINT.test(line));
  const message = lines.at(hintAt === -1 ? -1 : hintAt - 1)?.replace(ERROR, "");
  const code = CODES.find((known) => known === exitCode) ?? EXIT.failed;
  if (hintAt > 0 && message) return new UserError(message, lines.at(hintAt)?.replace(HINT, "") ?? "", code);
  return new UserError(
    `${where}: ${message ?? `exit code ${String(exitCode)}`}`,
    "it did not say what to do; run the command again",
    code satisfies ExitCode,
  );
}

/**
 * Passes on lines of progress and keeps back a message that a hint follows, which becomes the command's own error.
 *
 * @param print gets each line of progress, at most one line late
 * @returns takes the lines one by one; `flush` passes on the last one after a success
 */
export function progressFilter(print: (line: string) => void): { line: (line: string) => void; flush: () => void } {
  let held: string | undefined;
  const flush = () => {
    if (held !== undefined) print(held);
    held = undefined;
  };
  return {
    line: (line) => {
      if (HINT.test(line)) {
        held = undefined;
        return;
      }
      flush();
      if (!ERROR.test(line)) held = line;
    },
    flush,
  };
}
