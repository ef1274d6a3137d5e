import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Rig } from "../rig.ts";

/** Builds the forge's web interface inside a copy of its sources, with Node 24 and exactly the packages of its lockfile. */
export async function buildWebInterface({ exec, paths, environment }: Rig, checkout: string): Promise<void> {
  const bin = join(paths.project, "node_modules", ".bin");
  const options = { directory: checkout, environment: { PATH: `${bin}:${environment["PATH"] ?? ""}`, CI: "1" } };
  const pnpm = packageManager(readFileSync(join(checkout, "package.json"), "utf8"));
  await exec(["npm", "exec", "--yes", "--", pnpm, "install", "--frozen-lockfile", "--ignore-scripts"], options);
  await exec([join(bin, "node"), join("node_modules", "vite", "bin", "vite.js"), "build"], options);
}

/** The package manager that a package.json asks for, without its checksum: `pnpm@10.33.0`. Another version would fetch it. */
export function packageManager(manifest: string): string {
  const { packageManager: wanted = "pnpm@10" } = JSON.parse(manifest) as { packageManager?: string };
  return wanted.replace(/\+.*/, "");
}
