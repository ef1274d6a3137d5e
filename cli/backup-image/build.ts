import { readFileSync } from "node:fs";
import { join } from "node:path";
import { JOB_DOCKERFILE, JOB_ENTRY } from "../../backup-sources.ts";
import { UserError } from "../../errors.ts";
import { lastLine, type Run } from "../exec.ts";
import { rootCommand, runOnVm } from "../ssh.ts";
import type { BackupImageRequest } from "./request.ts";
import { tarArchive } from "./tar.ts";

const BUILD_SECONDS = 600;

/**
 * Builds the backup job's image on the VM. Its context is sent over SSH; nothing is fetched, neither here nor there.
 *
 * @throws UserError
 */
export async function buildBackupImage(run: Run, request: BackupImageRequest, projectDirectory: string): Promise<void> {
  const { outputFiles } = await bundleJob(projectDirectory);
  const context = tarArchive([
    { name: "Dockerfile", content: readFileSync(join(projectDirectory, JOB_DOCKERFILE)) },
    { name: "job.mjs", content: Buffer.from(outputFiles[0]?.contents ?? []) },
  ]);
  const command = rootCommand(request.target, buildCommand(request));
  const options = { input: context, timeoutSeconds: BUILD_SECONDS };
  const { exitCode, stdout, stderr } = await runOnVm(run, "backup image", request.target, command, options);
  if (exitCode === 0) return;
  throw new UserError(
    `backup image: ${lastLine(stderr) ?? lastLine(stdout) ?? `exit code ${String(exitCode)}`}`,
    "docker image ls (on the VM): the images that it is put together from have to be there",
  );
}

/** The classic builder: it needs no plug-in, which Debian does not bring. */
export function buildCommand({ reference, ownerId, base }: BackupImageRequest): string[] {
  const bases = Object.entries(base).flatMap(([name, image]) => ["--build-arg", `${name.toUpperCase()}=${image}`]);
  const label = `foundation.owner=${ownerId}`;
  const build = ["docker", "build", "--quiet", "--network=none", "--label", label, ...bases, "--tag", reference, "-"];
  return ["env", "DOCKER_BUILDKIT=0", ...build];
}

/** The job as one file for the Node of its image; what it is made of is in `metafile`. */
export async function bundleJob(projectDirectory: string) {
  // Loaded late: no other command needs it.
  const { build } = await import("esbuild");
  return build({
    absWorkingDir: projectDirectory,
    entryPoints: [JOB_ENTRY],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    target: "node24",
    format: "esm",
    mainFields: ["module", "main"],
    // Packages that are CommonJS ask for Node's own modules in its way.
    banner: { js: 'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);' },
    logLevel: "silent",
  });
}
