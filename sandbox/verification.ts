import { existsSync } from "node:fs";
import { join } from "node:path";
import { stackEnvironment } from "./deployment.ts";
import { sandboxFiles, STACK } from "./files.ts";
import type { Paths } from "./paths.ts";
import { programFailure } from "./program-failure.ts";
import type { Rig } from "./rig.ts";

/** Command line of `foundation COMMAND` for the sandbox's stack. */
export function foundationArgv(node: string, paths: Paths, command: string, rest: readonly string[]): string[] {
  const { config, certificate } = sandboxFiles(paths);
  const ca = existsSync(certificate) ? ["--ca", certificate] : [];
  return [
    node,
    join(paths.project, "cli", "main.ts"),
    command,
    "--stack",
    STACK,
    "--config-file",
    config,
    ...ca,
    ...rest,
  ];
}

/**
 * Runs every check of `foundation verify` and prints its table.
 *
 * @param quiet only progress, no table
 * @throws UserError when one fails
 */
export async function runVerify(rig: Rig, quiet = false): Promise<void> {
  const { exec, node, paths, progress, print } = rig;
  const result = await exec(foundationArgv(node, paths, "verify", []), {
    environment: stackEnvironment(rig),
    mayFail: true,
    onLine: (line, stream) => {
      if (stream === "stderr") progress.say("verify", line);
    },
  });
  if (!quiet || result.code !== 0) print(result.stdout.trimEnd());
  if (result.code !== 0)
    throw programFailure(result, "verify: a check failed, see the table", "npm run sandbox verify");
}
