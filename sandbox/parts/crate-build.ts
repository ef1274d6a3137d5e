import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { baseImage } from "../base-image.ts";
import { PARTS_BASE } from "../debian.ts";
import { inspectContainer } from "../docker.ts";
import { ensureLocalImage } from "../local-image.ts";
import type { Rig } from "../rig.ts";
import { BINARIES } from "./binary.ts";
import { planBinary } from "./binaries.ts";

/** Container of the compiler; it goes on when the command that started it ends. */
export const BUILDER = "foundation-sandbox-rustfs";

/** Less optimised than a release, because that would take three times as long. */
const PROFILE = { LTO: "off", OPT_LEVEL: "1", CODEGEN_UNITS: "16" };

/** Compiles the crate inside the builder. @param work directory that keeps sources and objects between attempts */
export function crateBuildArgv(image: string, work: string, crate: string, version: string): string[] {
  const profile = Object.entries(PROFILE).flatMap(([name, value]) => [
    "--env",
    `CARGO_PROFILE_RELEASE_${name}=${value}`,
  ]);
  const certificates = "/etc/ssl/certs/ca-certificates.crt";
  return [
    ...["docker", "run", "--detach", "--init", "--name", BUILDER, "--network=host"],
    ...["--volume", `${work}:/work`, "--volume", `${certificates}:${certificates}:ro`, ...profile, image],
    ...["cargo", "install", crate, "--version", version, "--locked", "--no-default-features", "--root", "/work/out"],
  ];
}

/** Starts the build, or joins one that runs; hours later, the binary is where `up` looks for it. */
export async function buildRustfs(rig: Rig): Promise<string> {
  const { exec, paths, progress } = rig;
  const { directory } = planBinary(rig, "rustfs");
  if (existsSync(directory)) return directory;
  const work = join(paths.cache, "rust");
  mkdirSync(work, { recursive: true });
  const { version, source } = BINARIES.rustfs;
  if ((await inspectContainer(exec, BUILDER, "{{.State.Status}}")) === undefined) {
    const image = await ensureLocalImage(rig, "rust", "parts/rust", baseImage(rig, PARTS_BASE));
    await exec(crateBuildArgv(image, work, source.crate, version));
  }
  const onLine = (line: string): void => {
    progress.say("rustfs", line.trim());
  };
  await exec(["docker", "logs", "--follow", "--tail", "1", BUILDER], { onLine });
  const code = await inspectContainer(exec, BUILDER, "{{.State.ExitCode}}");
  await exec(["docker", "rm", BUILDER]);
  if (code !== "0")
    throw new UserError(
      `rustfs: cargo ended with exit code ${code ?? "unknown"}`,
      "npm run sandbox rustfs tries again",
    );
  mkdirSync(join(work, "out", "bin"), { recursive: true });
  renameSync(join(work, "out"), directory);
  return directory;
}
