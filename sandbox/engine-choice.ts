import { existsSync } from "node:fs";
import { join } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import { sandboxFiles } from "./files.ts";
import type { Rig } from "./rig.ts";

/** Who applies the program: Pulumi's own CLI, or the engine embedded in the sandbox. */
export type EngineChoice =
  { readonly kind: "embedded" } | { readonly kind: "pulumi"; readonly program: string; readonly version: string };

/** Provider plugins without which the real CLI cannot deploy the program. */
const PLUGINS = ["command", "docker", "random", "tls", "vault"];

/**
 * The real CLI where it and its plugins are installed, or where FOUNDATION_ENGINE=pulumi asks for it.
 *
 * The CLI among the dependencies downloads itself when it is called, so it does not count as installed; it is used when
 * it is asked for and there is no other.
 */
export async function chooseEngine(rig: Rig): Promise<EngineChoice> {
  const wanted = wantedEngine(rig);
  const installed = wanted === "embedded" ? undefined : await findPulumi(rig);
  if (wanted === "pulumi") {
    const program = installed ?? join(rig.paths.project, "node_modules", ".bin", "pulumi");
    return { kind: "pulumi", program, version: await versionOf(rig, program) };
  }
  if (installed === undefined || !(await hasPlugins(rig, installed))) return { kind: "embedded" };
  return { kind: "pulumi", program: installed, version: await versionOf(rig, installed) };
}

/** What the environment asks for, or else what this sandbox was begun with: each engine knows only its own state. */
function wantedEngine({ environment, paths }: Rig): "" | EngineChoice["kind"] {
  const wanted = environment["FOUNDATION_ENGINE"] ?? "";
  if (wanted !== "" && wanted !== "embedded" && wanted !== "pulumi") {
    const message = `FOUNDATION_ENGINE: neither embedded nor pulumi: ${wanted}`;
    throw new UserError(message, "unset FOUNDATION_ENGINE", EXIT.usage);
  }
  const { state, pulumi } = sandboxFiles(paths);
  const begunWith = existsSync(state) ? "embedded" : existsSync(pulumi) ? "pulumi" : "";
  if (wanted !== "" && begunWith !== "" && wanted !== begunWith) {
    const message = `FOUNDATION_ENGINE: ${wanted}, but this sandbox was deployed by ${begunWith}`;
    throw new UserError(message, "npm run sandbox destroy, or unset FOUNDATION_ENGINE", EXIT.refused);
  }
  return wanted === "" ? begunWith : wanted;
}

async function findPulumi({ exec, environment }: Rig): Promise<string | undefined> {
  const PATH = withoutDependencies(environment["PATH"] ?? "");
  const { code, stdout } = await exec(["sh", "-c", "command -v pulumi"], { environment: { PATH }, mayFail: true });
  return code === 0 ? stdout.trim() : undefined;
}

/** PATH less the folders that npm puts in front of it. */
export function withoutDependencies(path: string): string {
  return path
    .split(":")
    .filter((folder) => !folder.endsWith("/node_modules/.bin"))
    .join(":");
}

async function versionOf({ exec }: Rig, program: string): Promise<string> {
  const hint = "install the Pulumi CLI (https://www.pulumi.com/docs/iac/download-install/), or unset FOUNDATION_ENGINE";
  return (await exec([program, "version"], { hint })).stdout.trim();
}

async function hasPlugins({ exec }: Rig, program: string): Promise<boolean> {
  const { code, stdout } = await exec([program, "plugin", "ls", "--json"], { mayFail: true });
  if (code !== 0) return false;
  const installed = new Set((JSON.parse(stdout) as { name: string }[]).map(({ name }) => name));
  return PLUGINS.every((name) => installed.has(name));
}
