import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { onVm, vault } from "./rig.ts";

const directory = mkdtempSync(join(tmpdir(), "snapshot-"));
const snapshot = join(directory, "daily.snap");

afterAll(() => rmSync(directory, { recursive: true }));

test("a snapshot of the deployment is taken with the role that may do nothing else", async () => {
  const { code, stderr } = await vault(["snapshot", snapshot]);
  expect(code, stderr).toBe(0);
  expect(statSync(snapshot).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(`${snapshot}.json`, "utf8"))).toMatchObject({
    stack: "sandbox",
    canary: { path: expect.any(String) as string },
  });
  const again = await vault(["snapshot", snapshot]);
  expect(again.code).toBe(8);
  expect(existsSync(`${snapshot}.part`)).toBe(false);
});

test("a drill restores it beside the real Vault, proves it, tells the time and leaves nothing", async () => {
  const { code, stdout, stderr } = await vault(["restore", snapshot, "--drill", "--json"]);
  expect(code, stderr).toBe(0);
  const { canary, seconds } = JSON.parse(stdout) as { canary: boolean; seconds: number };
  expect(canary).toBe(true);
  console.log(`drill: ${seconds.toFixed(1)} s`);
  const left = await onVm(
    "docker ps -a --format {{.Names}}; docker network ls --format {{.Name}}; docker volume ls -q",
  );
  expect(left).not.toContain("drill");
  expect((await vault(["status"])).code).toBe(0);
});

test("the snapshot is not restored over the real Vault", async () => {
  const { code, stderr } = await vault(["restore", snapshot]);
  expect(code).toBe(8);
  expect(stderr).toContain("vault: not empty");
  expect((await vault(["status"])).code).toBe(0);
});
