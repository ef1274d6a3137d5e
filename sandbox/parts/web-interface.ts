import { join } from "node:path";
import type { Rig } from "../rig.ts";

/** Newest pnpm of the major version that the project's lockfile is written for. */
const PNPM = "pnpm@10";

/** Builds the forge's web interface inside a copy of its sources, with Node 24 and exactly the packages of its lockfile. */
export async function buildWebInterface({ exec, paths, environment }: Rig, checkout: string): Promise<void> {
  const bin = join(paths.project, "node_modules", ".bin");
  const options = { directory: checkout, environment: { PATH: `${bin}:${environment["PATH"] ?? ""}`, CI: "1" } };
  await exec(["npm", "exec", "--yes", "--", PNPM, "install", "--frozen-lockfile", "--ignore-scripts"], options);
  await exec([join(bin, "node"), join("node_modules", "vite", "bin", "vite.js"), "build"], options);
}
