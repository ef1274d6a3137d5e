import { expect, test } from "vitest";
import { programFailure } from "../../sandbox/program-failure.ts";

test("takes over the first error and hint of a program of ours, and its exit code", () => {
  const stdout = "up: 3 created\nerror: host: port 80 is in use\nhint: stop nginx\nerror: forgejo skipped\n";
  expect(programFailure({ code: 9, stdout, stderr: "" }, "failed", "again")).toMatchObject({
    message: "host: port 80 is in use",
    hint: "stop nginx",
    exitCode: 9,
  });
});

test("has its own words for a program that said nothing", () => {
  expect(programFailure({ code: 255, stdout: "", stderr: "x\n" }, "failed", "again")).toMatchObject({
    message: "failed",
    hint: "again",
    exitCode: 1,
  });
});
