import { join } from "node:path";
import { createAccompany, createPipe, createRun } from "../../cli/exec.ts";
import type { Shell } from "../../cli/shell.ts";
import { openStack, type OpenStack } from "../../cli/stack.ts";
import { collectContext, type VerifyContext } from "../../cli/verify/context.ts";
import { stackEnvironment } from "../../sandbox/deployment.ts";
import { files, paths } from "./rig.ts";

/**
 * The rig's stack, opened, and the foundation as its clients know it. Vault has to be open; what was collected stays good
 * when it no longer is.
 */
export async function openVerifyContext(): Promise<{ stack: OpenStack; context: VerifyContext }> {
  const environment = { ...process.env, ...stackEnvironment({ paths, environment: process.env }) };
  const interrupted = new AbortController().signal;
  const shell: Shell = {
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
  const stack = await openStack(shell, { stack: "sandbox", configFile: files.config });
  return { stack, context: await collectContext(shell, stack, join(paths.sandbox, "ca.crt")) };
}
