import { expect, test } from "vitest";
import { commandError } from "../../../../sandbox/engine/drivers/command-result.ts";

test.each<[string, number, string, object]>([
  [
    "a script's error is the error",
    9,
    "reading package lists\nhost disk: 3 GiB free, 20 are needed\nhint: give the VM a larger disk\n",
    { message: "host disk: 3 GiB free, 20 are needed", hint: "give the VM a larger disk", exitCode: 9 },
  ],
  [
    "several errors, with several hints",
    7,
    "warning: slow\nerror: preflight: one thing\nhint: first this\nhint: then that\nerror: preflight: another\nhint: or this\n",
    {
      message: "preflight: one thing\npreflight: another",
      hint: "first this\nthen that\nor this",
      exitCode: 7,
    },
  ],
  [
    "an exit code that is not one of ours",
    42,
    "host: bad\nhint: none\n",
    { message: "x: exit code 42\n  host: bad\n  hint: none", exitCode: 1 },
  ],
  ["no hint", 9, "host: bad\n", { message: "x: exit code 9\n  host: bad", exitCode: 1 }],
  ["a hint without an error", 9, "hint: none\n", { message: "x: exit code 9\n  hint: none", exitCode: 1 }],
  ["nothing at all", 3, "\n", { message: "x: exit code 3\n  (nothing on stderr)", exitCode: 1 }],
])("%s", (_what, code, stderr, error) => {
  expect(commandError("x", code, stderr)).toMatchObject({ name: "UserError", ...error });
});
