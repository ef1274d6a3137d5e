import { beforeAll, expect, test } from "vitest";
import { join } from "node:path";
import { createHttp } from "../../cli/http.ts";
import { openStack } from "../../cli/stack.ts";
import { collectContext, type VerifyContext } from "../../cli/verify/context.ts";
import { chooseChecks, runChecks } from "../../cli/verify/verify.ts";
import { createAccompany, createPipe, createRun } from "../../cli/exec.ts";
import { stackEnvironment } from "../../sandbox/deployment.ts";
import { containerOf } from "../../sandbox/vm/machine.ts";
import { files, foundation, paths, run, until, vault } from "./rig.ts";

// What has to work without an operator.
const WITHOUT_VAULT = ["git-https", "git-ssh", "lfs", "docker", "npm", "s3", "database", "ports"];

let context: VerifyContext;

beforeAll(async () => {
  const environment = { ...process.env, ...stackEnvironment({ paths, environment: process.env }) };
  const interrupted = new AbortController().signal;
  const shell = {
    environment,
    interrupted,
    projectDirectory: paths.project,
    isInteractive: false,
    columns: 120,
    run: createRun(environment, interrupted),
    attach: () => Promise.resolve(0),
    accompany: createAccompany(environment),
    pipe: createPipe(environment, interrupted),
    runScript: () => Promise.resolve(0),
    print: () => undefined,
    notice: () => undefined,
    exitWith: () => undefined,
  };
  // Collected while Vault is open; afterwards nobody could read the passwords from it.
  const stack = await openStack(shell, { stack: "sandbox", configFile: files.config });
  context = await collectContext(shell, stack, join(paths.sandbox, "ca.crt"));
});

test("after a reboot everything but Vault serves without an operator", async () => {
  const { code, stderr } = await run(["docker", "restart", "--time", "180", containerOf("prod")]);
  expect(code, stderr).toBe(0);
  const http = createHttp(context.ca);
  await until("the forge behind the web server", 120, async () => {
    const { status } = await http("GET", `https://${context.sites.git}/api/healthz`);
    return status === 200;
  });

  expect((await vault(["status"])).code).toBe(2);
  const results = await runChecks(chooseChecks(WITHOUT_VAULT), context);
  expect(results.filter(({ outcome }) => outcome === "failed")).toEqual([]);
  expect((await foundation(["verify", "vault"])).code).toBe(2);
});

test("one command brings Vault back", async () => {
  const { code, stderr } = await vault(["unseal"]);
  expect(code, stderr).toBe(0);
  expect((await vault(["status"])).code).toBe(0);
  expect((await foundation(["verify", "vault", "vault-paths"])).code).toBe(0);
});
