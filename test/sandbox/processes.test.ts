import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, copyFileSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { findProcess } from "../../sandbox/processes.ts";

test("a process has a name and a start of its own", async () => {
  const directory = mkdtempSync(join(tmpdir(), "processes-"));
  copyFileSync("/bin/sleep", join(directory, "a) b (c"));
  const child = spawn(join(directory, "a) b (c"), ["60"], { stdio: "ignore" });
  try {
    await once(child, "spawn");
    const found = findProcess(child.pid ?? 0);
    expect(found).toEqual({ name: "a) b (c", startedAt: expect.stringMatching(/^\d+$/) as string });
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
    rmSync(directory, { recursive: true });
  }
  expect(findProcess(child.pid ?? 0)).toBeUndefined();
});

test("one that is dead and that its parent has not asked after is no more", async () => {
  // The shell becomes a program that never asks how its child ended.
  const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const [line] = (await once(parent.stdout.setEncoding("utf8"), "data")) as [string];
    await vi.waitUntil(() => readFileSync(`/proc/${line.trim()}/stat`, "utf8").includes(") Z "), { timeout: 10_000 });
    expect(findProcess(Number(line))).toBeUndefined();
  } finally {
    parent.kill("SIGKILL");
  }
});
