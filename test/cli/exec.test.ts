import { describe, expect, test } from "vitest";
import { createAccompany, createAttach, createRun, lastLine, runOrFail } from "../../cli/exec.ts";
import { EXIT } from "../../errors.ts";

const never = new AbortController().signal;
const run = createRun({ PATH: process.env["PATH"], KEPT: "1", REMOVED: "2" }, never);

describe("createRun", () => {
  test("gives input and environment, returns both outputs and the exit code", async () => {
    const script = 'cat; echo "$KEPT$REMOVED$ADDED" >&2; exit 7';
    const options = { input: "in", env: { ADDED: "3", REMOVED: undefined } };
    expect(await run("sh", ["-c", script], options)).toEqual({ exitCode: 7, stdout: "in", stderr: "13\n" });
  });

  test("a program that does not read its input is judged by its exit code", async () => {
    expect((await run("true", [], { input: "x".repeat(1_000_000) })).exitCode).toBe(0);
  });

  test("a missing program is named", async () => {
    await expect(run("no-such-program", [])).rejects.toMatchObject({
      message: "no-such-program: not installed",
      hint: "install no-such-program on this machine and run the command again",
    });
  });

  test("a program that hangs is ended, even when what it started keeps its pipes open", async () => {
    const started = Date.now();
    await expect(run("sh", ["-c", "sleep 30 & sleep 30"], { timeoutSeconds: 0.2 })).rejects.toThrow(
      "sh: no result in 0.2 s",
    );
    expect(Date.now() - started).toBeLessThan(5000);
  });

  test("Ctrl-C ends what is running and lets cleaning up go on", async () => {
    const interrupt = new AbortController();
    const interruptible = createRun(process.env, interrupt.signal);
    const running = interruptible("sleep", ["30"]);
    interrupt.abort();
    await expect(running).rejects.toMatchObject({ message: "interrupted", exitCode: EXIT.interrupted });
    await expect(interruptible("true", [])).rejects.toMatchObject({ exitCode: EXIT.interrupted });
    expect((await interruptible("true", [], { evenIfInterrupted: true })).exitCode).toBe(0);
  });
});

test("runOrFail quotes the last line that the program printed", async () => {
  await expect(runOrFail(run, "git push", "sh", ["-c", "echo fatal: no; echo >&2; exit 128"])).rejects.toMatchObject({
    message: "git push: fatal: no",
    hint: "sh failed on this machine with exit code 128",
  });
  await expect(runOrFail(run, "docker push", "false", [])).rejects.toThrow("docker push: exit code 1");
  expect(await runOrFail(run, "echo", "echo", ["yes"])).toBe("yes\n");
});

describe("createAttach", () => {
  test.each([
    ["exit 9", 9],
    ["kill -TERM $$", 143],
  ])("a program that does `%s` gives %i", async (script, exitCode) => {
    expect(await createAttach(process.env, never, false)("sh", ["-c", script])).toBe(exitCode);
  });

  test("a missing program is named", async () => {
    await expect(createAttach(process.env, never, false)("no-such-program", [])).rejects.toThrow(
      "no-such-program: not installed",
    );
  });

  test.each([
    ["SIGINT", false, 3],
    ["SIGTERM", true, 3],
    // the terminal itself sends it to both
    ["SIGINT", true, 4],
  ])("%s, at a terminal: %s: the program ends with %i", async (signal, hasTerminal, exitCode) => {
    const interrupt = new AbortController();
    const script = "trap 'exit 3' INT; i=0; while [ $i -lt 10 ]; do sleep 0.1; i=$((i + 1)); done; exit 4";
    const ended = createAttach(process.env, interrupt.signal, hasTerminal)("sh", ["-c", script]);
    setTimeout(() => interrupt.abort(signal), 200);
    expect(await ended).toBe(exitCode);
  });
});

describe("createAccompany", () => {
  const accompany = createAccompany(process.env);

  test("gives its first line, passes on what it says, and ends it by closing its input", async () => {
    const said: string[] = [];
    const program = accompany("sh", ["-c", "echo said >&2; echo held; cat >/dev/null; echo end"], (line) =>
      said.push(line),
    );
    expect(await program.firstLine).toBe("held");
    program.release();
    expect(await program.ended).toEqual({ exitCode: 0, stdout: "held\nend\n", stderr: "said\n" });
    expect(said).toEqual(["said"]);
  });

  test("one that ends without a line, and one that is missing", async () => {
    const program = accompany("sh", ["-c", "exit 7"], () => undefined);
    expect([await program.firstLine, (await program.ended).exitCode]).toEqual([undefined, 7]);
    await expect(accompany("no-such-program", [], () => undefined).firstLine).rejects.toThrow("ENOENT");
  });
});

test("lastLine", () => {
  expect(lastLine("one\n two \r\n\n")).toBe("two");
  expect(lastLine("\n")).toBeUndefined();
});
