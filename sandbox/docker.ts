import type { Exec } from "./exec.ts";

/**
 * Builds an image with the classic builder, which every Docker since 20.10 has.
 *
 * The host's network is used because a build must get out the same way as the machine itself does.
 */
export function buildArgv(tag: string, context: string, base: string): string[] {
  return ["docker", "build", "--network=host", "--force-rm", "--build-arg", `BASE=${base}`, "--tag", tag, context];
}

/** The classic builder is asked for by the environment, not by a flag. */
export const BUILD_ENVIRONMENT = { DOCKER_BUILDKIT: "0" };

export function importArgv(archive: string, tag: string): string[] {
  return ["docker", "import", archive, tag];
}

/** Whether the engine has such an object; asking is cheaper than catching. */
export async function exists(
  exec: Exec,
  kind: "image" | "container" | "network" | "volume",
  name: string,
): Promise<boolean> {
  const { code } = await exec(["docker", kind, "inspect", "--format", "{{json .}}", name], { mayFail: true });
  return code === 0;
}

/** One field of a container's description, `undefined` if there is no such container. */
export async function inspectContainer(exec: Exec, name: string, format: string): Promise<string | undefined> {
  const { code, stdout } = await exec(["docker", "container", "inspect", "--format", format, name], { mayFail: true });
  return code === 0 ? stdout.trim() : undefined;
}
