import { EXIT, UserError, type ExitCode } from "../../../errors.ts";
import type { Properties } from "../values.ts";

const SHOWN_LINES = 12;

/** Outputs of a command that succeeded: one line end less, as the real provider keeps them. */
export function commandOutputs(stdout: string, stderr: string): Properties {
  return { stdout: stdout.replace(/\n$/, ""), stderr: stderr.replace(/\n$/, "") };
}

/**
 * The error of a command that failed. Scripts of this repository end with `<where>: <what>` and `hint: <action>` on
 * stderr and one of the documented exit codes; then that is the error. Of any other, the end of stderr is shown.
 */
export function commandError(label: string, code: number, stderr: string): UserError {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  const isHint = (line: string): boolean => line.startsWith("hint: ");
  // There may be several errors, and several hints to one of them.
  const errors = lines.filter((line, index) => !isHint(line) && isHint(lines[index + 1] ?? ""));
  const messages = errors.map((line) => line.replace(/^error: /, ""));
  if (messages.length > 0 && messages.every((message) => /^[^:]+: ./.test(message)) && isDocumented(code)) {
    const hints = lines.filter(isHint).map((line) => line.slice("hint: ".length));
    return new UserError(messages.join("\n"), hints.join("\n"), code);
  }
  const shown = lines.slice(-SHOWN_LINES).map((line) => `\n  ${line}`);
  return new UserError(
    `${label}: exit code ${code}${shown.join("") || "\n  (nothing on stderr)"}`,
    "find the cause in the lines above; running the same command again resumes here",
  );
}

function isDocumented(code: number): code is ExitCode {
  return code !== EXIT.ok && Object.values<number>(EXIT).includes(code);
}
