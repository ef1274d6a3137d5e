import { expect, test } from "vitest";
import { formatLine, Progress } from "../../sandbox/progress.ts";

test("a line carries the seconds since the start and who speaks", () => {
  expect(formatLine(12.9, "vault", "compiling …")).toBe("[  12s] vault: compiling …");
  expect(formatLine(1080, "vault", "compiling …")).toBe("[1080s] vault: compiling …");
});

test("steps are announced and timed, phases are kept for the table", async () => {
  const lines: string[] = [];
  let milliseconds = 0;
  const progress = new Progress(
    (line) => lines.push(line),
    () => milliseconds,
  );
  const result = await progress.phase("images", () =>
    progress.step("caddy", "building image", () => {
      milliseconds = 2500;
      return Promise.resolve("made");
    }),
  );
  expect(result).toBe("made");
  expect(lines).toEqual(["[   0s] caddy: building image …", "[   2s] caddy: done in 2.5 s"]);
  expect(progress.phases).toEqual([{ what: "images", seconds: 2.5 }]);
});
