import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../../errors.ts";
import { ProgramMissing, runOrFail, type RunOptions } from "../../exec.ts";
import { Skipped, type Check } from "../check.ts";
import type { VerifyContext } from "../context.ts";

const LAYER_BYTES = 512 * 1024;

/** An image of one random layer through `docker push` and, by digest, `docker pull`. */
export const containerRegistry: Check = {
  name: "docker",
  title: "OCI registry",
  async run(context, scratch, forge) {
    const { run, sites } = context;
    const { username, organisation } = context.forge;
    await requireDocker(context);
    const configuration = join(scratch.directory, "docker");
    // login, push and pull with a configuration of their own; the operator's logins stay as they are
    const docker = (what: string, args: string[], options?: RunOptions) =>
      runOrFail(run, what, "docker", ["--config", configuration, ...args], options);

    const repository = `${sites.git}/${organisation}/${scratch.id}`;
    const image = `${repository}:1`;
    await mkdir(configuration, { mode: 0o700 });
    await writeFile(join(scratch.directory, "layer"), randomBytes(LAYER_BYTES));
    const tar = join(scratch.directory, "layer.tar");
    await runOrFail(run, "tar", "tar", ["--create", `--file=${tar}`, `--directory=${scratch.directory}`, "layer"]);
    const built = (await docker("docker import", ["import", tar, image])).trim();
    scratch.defer(() => removeImages(context, repository));

    const login = ["login", "--username", username, "--password-stdin", sites.git];
    await docker("docker login", login, { input: await forge.token() });
    forge.deferPackageRemoval(scratch, "container", scratch.id);
    const pushed = await docker("docker push", ["push", image]);
    const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1];
    if (digest === undefined) throw new UserError("docker push: printed no digest", "docker push failed silently");

    await removeImages(context, repository);
    await docker("docker pull", ["pull", "--quiet", `${repository}@${digest}`]);
    const inspect = ["image", "inspect", "--format", "{{.Id}}", `${repository}@${digest}`];
    const pulled = (await docker("docker image inspect", inspect)).trim();
    // the image store of newer engines names an image by its manifest instead of its configuration
    if (![built, digest].includes(pulled))
      throw new UserError(`pushed ${built}, pulled ${pulled}`, "look at the forge");
    return `pushed an image of 512 KiB, pulled it back as ${digest.slice(0, 19)}…`;
  },
};

async function requireDocker({ run }: VerifyContext): Promise<void> {
  try {
    const { exitCode } = await run("docker", ["version", "--format", "{{.Server.Version}}"]);
    if (exitCode !== 0) throw new Skipped("no Docker engine answers on this machine");
  } catch (error) {
    throw error instanceof ProgramMissing ? new Skipped("docker is not installed on this machine") : error;
  }
}

async function removeImages({ run }: VerifyContext, repository: string): Promise<void> {
  const forced = { evenIfInterrupted: true };
  const listed = await run("docker", ["image", "ls", "--quiet", "--no-trunc", repository], forced);
  const ids = [...new Set(listed.stdout.split("\n").filter((id) => id !== ""))];
  if (ids.length > 0) await run("docker", ["image", "rm", "--force", ...ids], forced);
}
