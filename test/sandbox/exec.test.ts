import { expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { createExec } from "../../sandbox/exec.ts";

const PATH = process.env["PATH"] ?? "";
const exec = createExec({ PATH }, new AbortController().signal);

test("returns both outputs of a program and passes text on standard input", async () => {
  expect(await exec(["sh", "-c", "cat; echo note >&2"], { input: "text" })).toEqual({
    code: 0,
    stdout: "text",
    stderr: "note\n",
  });
});

test("reports lines as they come, by stream, whatever the chunks", async () => {
  const lines: string[] = [];
  await exec(["sh", "-c", "printf 'a\\nb'; echo 'c'; echo d >&2"], {
    onLine: (line, stream) => lines.push(`${stream} ${line}`),
  });
  expect(lines.sort()).toEqual(["stderr d", "stdout a", "stdout bc"]);
});

test("a failure names the program, its exit code and the end of its output", async () => {
  const failure = exec(["sh", "-c", "echo out; echo reason >&2; exit 3"]);
  const message = "sh -c: exit code 3\nout\n\nreason";
  await expect(failure).rejects.toThrow(
    new UserError(message, "read the output above; running the command again resumes"),
  );
});

test("an expected failure is a result", async () => {
  expect((await exec(["false"], { mayFail: true })).code).toBe(1);
});

test("a missing program is told from a failing one", async () => {
  expect((await exec(["no-such-program"], { mayFail: true })).code).toBe(-1);
  await expect(exec(["no-such-program"])).rejects.toThrow("no-such-program: not found");
});

test("the timeout ends a program", async () => {
  const result = await exec(["sleep", "30"], { timeoutSeconds: 0.1, mayFail: true });
  expect(result).toEqual({ code: 124, stdout: "", stderr: "no end after 0.1 s" });
});

test("variables are added and removed for one program only", async () => {
  const own = createExec({ PATH, KEPT: "1", GONE: "1" }, new AbortController().signal);
  const { stdout } = await own(["sh", "-c", 'echo "$KEPT ${GONE-unset} $NEW"'], {
    environment: { GONE: undefined, NEW: "2" },
  });
  expect(stdout).toBe("1 unset 2\n");
});

test("an interruption lets the program end in its own way, and nothing new begins", async () => {
  const stop = new AbortController();
  const interruptible = createExec({ PATH }, stop.signal);
  let tidied = "";
  const running = interruptible(
    ["sh", "-c", "trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.05; done"],
    {
      onLine: (line) => {
        if (line === "ready") stop.abort();
        else tidied = line;
      },
    },
  );
  await expect(running).rejects.toMatchObject({ message: "sandbox: interrupted", exitCode: 130 });
  expect(tidied).toBe("tidied");
  await expect(interruptible(["true"])).rejects.toMatchObject({ exitCode: 130 });
  expect((await interruptible(["true"], { evenIfInterrupted: true })).code).toBe(0);
});
