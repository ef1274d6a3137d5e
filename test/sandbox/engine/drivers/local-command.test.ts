import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { localCommand } from "../../../../sandbox/engine/drivers/local-command.ts";
import { Exec } from "../../../../sandbox/engine/exec.ts";
import type { Properties } from "../../../../sandbox/engine/values.ts";

const exec = new Exec();
const driver = localCommand(exec, tmpdir(), { PATH: process.env["PATH"], PULUMI_CONFIG_PASSPHRASE: "inherited" });
const context = { label: "local command build", name: "build" };
const run = async (inputs: Properties) => (await driver.create(inputs, context)).outputs;

test("runs in the project directory, with the engine's environment and its own", async () => {
  const create = 'pwd; echo "$PULUMI_CONFIG_PASSPHRASE $MODE"; cat';
  expect(await run({ create, environment: { MODE: "fast" }, stdin: "input\n" })).toEqual({
    stdout: `${tmpdir()}\ninherited fast\ninput`,
    stderr: "",
  });
  expect(await run({ create: "pwd", dir: "/" })).toMatchObject({ stdout: "/" });
  expect(await run({ create: "echo $0", interpreter: ["/bin/bash", "-c"] })).toMatchObject({ stdout: "/bin/bash" });
});

test("an update gets what was printed before, unless it is not wanted", async () => {
  const inputs: Properties = { create: "echo one", update: 'echo "$PULUMI_COMMAND_STDOUT and two"' };
  const existing = { id: "x", inputs, outputs: { stdout: "one", stderr: "" } };
  expect(await driver.update?.(existing, inputs, [], context)).toMatchObject({ stdout: "one and two" });
  const without = { ...inputs, addPreviousOutputInEnv: false };
  expect(await driver.update?.(existing, without, [], context)).toMatchObject({ stdout: " and two" });
});

test("a failure shows the end of stderr, and never the command, which may name more than it should", async () => {
  await expect(run({ create: "echo why >&2; exit 4 # hidden" })).rejects.toMatchObject({
    message: "local command build: exit code 4\n  why",
    exitCode: 1,
  });
  await expect(run({ create: "x", interpreter: ["/nonexistent"] })).rejects.toThrow(
    "local command build: exit code 127\n  spawn /nonexistent ENOENT",
  );
});

test("has a process group of its own, so that Ctrl-C does not reach it, and can be ended", async () => {
  const { stdout } = await run({ create: "ps -o pgid= -p $$; echo $$" });
  const [group, pid] = String(stdout).split("\n").map(Number);
  expect(group).toBe(pid);
  const endless = run({ create: "sleep 30" });
  setTimeout(() => {
    exec.killAll();
  }, 100);
  await expect(endless).rejects.toThrow("ended by SIGTERM");
});
