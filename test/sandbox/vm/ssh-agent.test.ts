import { existsSync, statSync } from "node:fs";
import { expect, test } from "vitest";
import { ensureAgent, stopAgent } from "../../../sandbox/vm/ssh-agent.ts";
import { ensureKey, sshTarget } from "../../../sandbox/vm/ssh-keys.ts";
import { testRig } from "../test-rig.ts";

test("keys are generated once, and private", async () => {
  const rig = testRig();
  const first = await ensureKey(rig, "operator");
  expect(first.publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]{68}$/);
  expect(statSync(first.file).mode & 0o777).toBe(0o600);
  expect(await ensureKey(rig, "operator")).toEqual(first);
});

test("a VM's host key is known before the VM exists", async () => {
  const rig = testRig();
  const target = await sshTarget(rig, "prod", "10.87.53.10");
  const { publicKey } = await ensureKey(rig, "host-prod");
  expect(target).toEqual({ address: "10.87.53.10", user: "root", port: 22, hostKey: publicKey });
});

test("the agent holds the operator's key, survives a second start, and can be ended", async () => {
  const rig = testRig();
  const socket = await ensureAgent(rig);
  expect(await ensureAgent(rig)).toBe(socket);
  const environment = { SSH_AUTH_SOCK: socket };
  const { stdout } = await rig.exec(["ssh-add", "-L"], { environment });
  expect(stdout.trim().split("\n")).toHaveLength(1);
  expect(stdout).toContain((await ensureKey(rig, "operator")).publicKey);
  await stopAgent(rig);
  expect((await rig.exec(["ssh-add", "-L"], { environment, mayFail: true })).code).toBe(2);
  expect(existsSync(socket)).toBe(false);
});

test("a directory whose socket path the kernel would cut is refused", async () => {
  const rig = testRig({ FOUNDATION_SANDBOX_DIR: `/tmp/${"x".repeat(100)}` });
  await expect(ensureAgent(rig)).rejects.toMatchObject({ hint: "set FOUNDATION_SANDBOX_DIR to a shorter path" });
});
