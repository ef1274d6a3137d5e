import { expect, test } from "vitest";
import { progressFilter, remoteFailure } from "../../../cli/backup/remote-failure.ts";
import { EXIT } from "../../../errors.ts";

test.each([
  [
    { exitCode: 7, stdout: "", stderr: "backup: git: 0.1 s\noffsite: 10.0.0.9: refused\nhint: is it up?\n" },
    { message: "offsite: 10.0.0.9: refused", hint: "is it up?", exitCode: EXIT.unreachable },
  ],
  [
    { exitCode: 64, stdout: "", stderr: "error: info: no such backup: abc\nhint: backup list\n" },
    { message: "info: no such backup: abc", hint: "backup list", exitCode: EXIT.usage },
  ],
  [
    { exitCode: 137, stdout: "", stderr: "killed\n" },
    { message: "backup: killed", hint: "it did not say what to do; run the command again", exitCode: EXIT.failed },
  ],
  [
    { exitCode: 3, stdout: "", stderr: "" },
    { message: "backup: exit code 3", hint: "it did not say what to do; run the command again", exitCode: 3 },
  ],
])("remoteFailure %#", (finished, expected) => {
  expect(remoteFailure("backup", finished)).toMatchObject(expected);
});

test("progressFilter passes on progress and keeps back the message that a hint follows", () => {
  const seen: string[] = [];
  const filter = progressFilter((line) => seen.push(line));
  for (const line of ["git: 0.1 s", "upload: 1.0 GB", "offsite: refused", "hint: is it up?", "error: x", "last"])
    filter.line(line);
  expect(seen).toEqual(["git: 0.1 s", "upload: 1.0 GB"]);
  filter.flush();
  expect(seen).toEqual(["git: 0.1 s", "upload: 1.0 GB", "last"]);
});
