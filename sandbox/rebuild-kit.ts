import { join } from "node:path";
import { stackEnvironment } from "./deployment.ts";
import type { EngineChoice } from "./engine-choice.ts";
import { sandboxFiles, STACK } from "./files.ts";
import type { Paths } from "./paths.ts";
import type { Rig } from "./rig.ts";

/** Command line of `foundation backup kit` for the sandbox's stack. */
export function kitArgv(node: string, paths: Paths, engine: EngineChoice["kind"]): string[] {
  const { config, state } = sandboxFiles(paths);
  const options = ["--stack", STACK, "--config-file", config];
  // The real Pulumi is asked for an export; the embedded engine's state is a file.
  const known = engine === "embedded" ? ["--state", state] : [];
  return [node, join(paths.project, "cli", "main.ts"), "backup", "kit", ...options, ...known];
}

/** Puts the kit for a rebuild beside the data. A work tree that is no repository has none; the sandbox works all the same. */
export async function sendKit(rig: Rig, engine: EngineChoice): Promise<void> {
  await rig.exec(kitArgv(rig.node, rig.paths, engine.kind), {
    environment: stackEnvironment(rig),
    mayFail: true,
    onLine: (line) => {
      rig.progress.say("kit", line.replace(/^kit: /, ""));
    },
  });
}
