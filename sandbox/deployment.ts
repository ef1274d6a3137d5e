import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import type { EngineChoice } from "./engine-choice.ts";
import { sandboxFiles, STACK } from "./files.ts";
import type { Paths } from "./paths.ts";
import { programFailure } from "./program-failure.ts";
import type { Rig } from "./rig.ts";
import { agentSocket } from "./vm/ssh-agent.ts";

/** Environment in which every program of this repository finds the sandbox's passphrase and SSH key. */
export function stackEnvironment({
  paths,
  environment,
}: Pick<Rig, "paths" | "environment">): Record<string, string | undefined> {
  return {
    // What these programs start by the name `node` has to be the Node that the project pins.
    PATH: `${join(paths.project, "node_modules", ".bin")}:${environment["PATH"] ?? ""}`,
    // The direct variable would win over the file, and would be another stack's.
    PULUMI_CONFIG_PASSPHRASE: undefined,
    PULUMI_CONFIG_PASSPHRASE_FILE: sandboxFiles(paths).passphrase,
    PULUMI_BACKEND_URL: `file://${sandboxFiles(paths).pulumi}`,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    SSH_AUTH_SOCK: agentSocket(paths.sandbox),
  };
}

/** Command line of the embedded engine. */
export function engineArgv(node: string, paths: Paths, command: "up" | "preview" | "destroy" | "outputs"): string[] {
  const { state, config } = sandboxFiles(paths);
  return [
    node,
    join(paths.project, "sandbox", "engine", "main.ts"),
    command,
    "--state",
    state,
    "--config-file",
    config,
  ];
}

/** Command line of the real CLI. Its own output is a line log when it is told that nobody can answer. */
export function pulumiArgv(program: string, paths: Paths, command: readonly string[]): string[] {
  return [program, "-C", paths.project, ...command, "--stack", STACK, "--non-interactive", "--color", "never"];
}

/** Command line of `foundation up` for the sandbox's stack: what is around a deployment is the same everywhere. */
export function upArgv(node: string, paths: Paths, engine: EngineChoice["kind"]): string[] {
  const { state, config } = sandboxFiles(paths);
  // The clone that this is tried out in is another foundation's: its remotes lead there.
  const stack = ["--stack", STACK, "--config-file", config, "--yes", "--no-remote"];
  // The real CLI's own output is a line log when it is told that nobody can answer.
  const pulumi = [
    "--skip-preview",
    "--suppress-outputs",
    "--suppress-progress",
    "--non-interactive",
    "--color",
    "never",
  ];
  const engineOptions = engine === "embedded" ? ["--embedded-state", state] : ["--", ...pulumi];
  return [node, join(paths.project, "cli", "main.ts"), "up", ...stack, ...engineOptions];
}

/**
 * Makes the sandbox's VM what the program says, puts the kit for a rebuild beside the data, and the work tree's commit into
 * the forge. A work tree that is no repository has neither; the sandbox works all the same.
 *
 * @throws UserError with the engine's own exit code
 */
export async function deploy(rig: Rig, engine: EngineChoice): Promise<void> {
  const isReal = engine.kind === "pulumi";
  if (isReal) await initialiseStack(rig, engine.program);
  const environment = stackEnvironment(rig);
  const PATH = isReal ? `${dirname(engine.program)}:${environment["PATH"] ?? ""}` : environment["PATH"];
  const result = await rig.exec(upArgv(rig.node, rig.paths, engine.kind), {
    environment: { ...environment, PATH },
    mayFail: true,
    onLine: (line) => {
      if (line.trim() !== "") rig.progress.say(isReal ? "pulumi" : "engine", line);
    },
  });
  if (result.code !== EXIT.ok && result.code !== EXIT.attention)
    throw programFailure(result, "deployment: failed, see above", "npm run sandbox resumes where it stopped");
}

/** The stack's outputs, secrets masked. */
export async function readOutputs(rig: Rig, engine: EngineChoice): Promise<Record<string, unknown>> {
  const { exec, paths, node } = rig;
  const argv =
    engine.kind === "pulumi"
      ? pulumiArgv(engine.program, paths, ["stack", "output", "--json"])
      : engineArgv(node, paths, "outputs");
  const { stdout } = await exec(argv, { environment: stackEnvironment(rig) });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Keeps the certificate authority of the sites beside the other files of the sandbox. Returns it as PEM. */
export async function saveCertificate(rig: Rig, engine: EngineChoice): Promise<string> {
  const { caCertificate } = await readOutputs(rig, engine);
  if (typeof caCertificate !== "string") throw new UserError("deployment: no output caCertificate", "npm run sandbox");
  writeFileSync(sandboxFiles(rig.paths).certificate, caCertificate);
  return caCertificate;
}

// `stack init` writes the salt of the secrets into the configuration beside the Pulumi.yaml it is run on. On a copy of the
// project file, that is the sandbox's configuration and not one in the work tree.
async function initialiseStack(rig: Rig, program: string): Promise<void> {
  const { exec, paths } = rig;
  const { config, pulumi } = sandboxFiles(paths);
  mkdirSync(pulumi, { recursive: true, mode: 0o700 });
  if (/^encryptionsalt:/m.test(existsSync(config) ? readFileSync(config, "utf8") : "")) return;
  copyFileSync(join(paths.project, "Pulumi.yaml"), join(paths.sandbox, "Pulumi.yaml"));
  const argv = [
    program,
    "-C",
    paths.sandbox,
    "stack",
    "init",
    STACK,
    "--secrets-provider",
    "passphrase",
    "--no-select",
  ];
  await exec([...argv, "--non-interactive"], { environment: stackEnvironment(rig) });
}
