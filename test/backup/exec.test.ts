import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createLock, createRun } from "../../backup/exec.ts";
import { EXIT } from "../../errors.ts";

const directory = mkdtempSync(join(tmpdir(), "foundation-exec-"));
afterAll(() => rmSync(directory, { recursive: true }));
const run = createRun({ PATH: process.env["PATH"] }, new AbortController().signal);
const shell = (script: string) => ["-c", script] as const;

describe("a program", () => {
  it("is given input and environment, and its exit code is a result", async () => {
    const options = { timeoutSeconds: 10, input: "in", env: { WORD: "w" } };
    expect(await run("sh", shell("cat; echo $WORD; echo bad >&2; exit 3"), options)).toEqual({
      exitCode: 3,
      stdout: "inw\n",
      stderr: "bad\n",
    });
  });

  it("has its lines told as they come, or its output put into a new file", async () => {
    const lines: string[] = [];
    await run("sh", shell("echo a; echo b"), { timeoutSeconds: 10, onLine: (line) => lines.push(line) });
    expect(lines).toEqual(["a", "b"]);
    const into = join(directory, "out");
    await run("sh", shell("echo a"), { timeoutSeconds: 10, into });
    expect(readFileSync(into, "utf8")).toBe("a\n");
  });

  it("runs at a low priority", async () => {
    // ten more than this process has, of at most 19
    expect((await run("nice", [], { timeoutSeconds: 10 })).stdout).toBe(
      `${String(Math.min(getPriority() + 10, 19))}\n`,
    );
  });

  it("that takes too long is ended with everything that it has started", async () => {
    const mark = `sleep 4242${String(process.pid)}`;
    await expect(run("sh", shell(`${mark} & ${mark}`), { timeoutSeconds: 0.3 })).rejects.toMatchObject({
      message: "sh: no result in 0.3 s",
      hint: "run the command again",
    });
    expect(execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })).not.toContain(mark);
  });

  it("is ended when the job is asked to end", async () => {
    const interrupted = new AbortController();
    const stopped = createRun({ PATH: process.env["PATH"] }, interrupted.signal)("sleep", ["60"], {
      timeoutSeconds: 90,
    });
    setTimeout(() => interrupted.abort(), 100);
    await expect(stopped).rejects.toMatchObject({ message: "interrupted", exitCode: EXIT.interrupted });
  });

  it("that is not there is named", async () => {
    await expect(run("nonesuch", [], { timeoutSeconds: 5 })).rejects.toMatchObject({
      message: "nonesuch: not in this image",
    });
  });
});

describe("the lock", () => {
  const path = join(directory, "lock");
  const lockFile = createLock(new AbortController().signal);

  it("is held by one, and free again when that one lets go", async () => {
    const release = await lockFile(path, 1);
    expect(release).toBeDefined();
    expect(await lockFile(path, 0)).toBeUndefined();
    release?.();
    (await lockFile(path, 5))?.();
  });

  it("is free again when its holder is killed", async () => {
    const program = `import { createLock } from "./backup/exec.ts"; await createLock(new AbortController().signal)("${path}", 1); console.log("held"); setInterval(() => 0, 1000);`;
    const holder = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    expect(await lockFile(path, 0)).toBeUndefined();
    holder.kill("SIGKILL");
    (await lockFile(path, 5))?.();
  });

  it("is waited for no longer when the job is asked to end", async () => {
    const release = await lockFile(path, 1);
    const interrupted = new AbortController();
    const waiting = createLock(interrupted.signal)(path, 60);
    setTimeout(() => interrupted.abort(), 100);
    await expect(waiting).rejects.toMatchObject({ message: "interrupted", exitCode: EXIT.interrupted });
    release?.();
    (await lockFile(path, 5))?.();
  });
});
