import { EXIT, UserError } from "../errors.ts";
import type { Rig } from "./rig.ts";

/** Who applies the program: Pulumi's own CLI, or the engine embedded in the sandbox. */
export type EngineChoice = { readonly kind: "embedded" } | { readonly kind: "pulumi"; readonly version: string };

/** Provider plugins without which the real CLI cannot deploy the program. */
const PLUGINS = ["command", "docker", "random", "tls", "vault"];

/**
 * The real CLI where it and its plugins are installed, or where FOUNDATION_ENGINE=pulumi asks for it.
 *
 * Only a `pulumi` on PATH counts as installed: the one among the dependencies downloads itself when it is called.
 */
export async function chooseEngine(rig: Rig): Promise<EngineChoice> {
  const wanted = rig.environment["FOUNDATION_ENGINE"] ?? "";
  if (!["", "embedded", "pulumi"].includes(wanted)) {
    throw new UserError(
      `FOUNDATION_ENGINE: neither embedded nor pulumi: ${wanted}`,
      "unset FOUNDATION_ENGINE",
      EXIT.usage,
    );
  }
  if (wanted === "embedded") return { kind: "embedded" };
  const environment = wanted === "pulumi" ? {} : { PATH: withoutDependencies(rig.environment["PATH"] ?? "") };
  const version = await rig.exec(["pulumi", "version"], { environment, mayFail: true });
  if (version.code === 0 && (wanted === "pulumi" || (await hasPlugins(rig)))) {
    return { kind: "pulumi", version: version.stdout.trim() };
  }
  if (wanted === "pulumi") {
    throw new UserError(
      `pulumi: cannot be run: ${version.stderr.trim()}`,
      "install the Pulumi CLI, or unset FOUNDATION_ENGINE",
    );
  }
  return { kind: "embedded" };
}

/** PATH less the folders that npm puts in front of it. */
export function withoutDependencies(path: string): string {
  return path
    .split(":")
    .filter((folder) => !folder.endsWith("/node_modules/.bin"))
    .join(":");
}

async function hasPlugins({ exec }: Rig): Promise<boolean> {
  const { code, stdout } = await exec(["pulumi", "plugin", "ls", "--json"], { mayFail: true });
  if (code !== 0) return false;
  const installed = new Set((JSON.parse(stdout) as { name: string }[]).map(({ name }) => name));
  return PLUGINS.every((name) => installed.has(name));
}
