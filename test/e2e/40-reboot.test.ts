import { beforeAll, expect, test } from "vitest";
import { createHttp } from "../../cli/http.ts";
import type { VerifyContext } from "../../cli/verify/context.ts";
import { chooseChecks, runChecks } from "../../cli/verify/verify.ts";
import { containerOf } from "../../sandbox/vm/machine.ts";
import { openVerifyContext } from "./context.ts";
import { foundation, run, until, vault } from "./rig.ts";

// What has to work without an operator.
const WITHOUT_VAULT = ["git-https", "git-ssh", "lfs", "docker", "npm", "s3", "database", "ports"];

let context: VerifyContext;

beforeAll(async () => {
  // Collected while Vault is open; afterwards nobody could read the passwords from it.
  ({ context } = await openVerifyContext());
});

test("after a reboot everything but Vault serves without an operator", async () => {
  const { code, stderr } = await run(["docker", "restart", "--time", "180", containerOf("prod")]);
  expect(code, stderr).toBe(0);
  const restarted = performance.now();
  const http = createHttp(context.ca);
  await until("the forge behind the web server", 120, async () => {
    const { status } = await http("GET", `https://${context.sites.git}/api/healthz`);
    return status === 200;
  });

  console.log(`serving after the restart: ${((performance.now() - restarted) / 1000).toFixed(1)} s`);
  expect((await vault(["status"])).code).toBe(2);
  const results = await runChecks(chooseChecks(WITHOUT_VAULT), context);
  expect(results.filter(({ outcome }) => outcome === "failed")).toEqual([]);
  expect((await foundation(["verify", "vault"])).code).toBe(2);
});

test("one command brings Vault back", async () => {
  const started = performance.now();
  const { code, stderr } = await vault(["unseal"]);
  expect(code, stderr).toBe(0);
  console.log(`unsealed by one command: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  expect((await vault(["status"])).code).toBe(0);
  expect((await foundation(["verify", "vault", "vault-paths"])).code).toBe(0);
});
