import { existsSync } from "node:fs";
import { EXIT, UserError } from "../errors.ts";
import type { Rig } from "./rig.ts";

/** Every program that the rig and the clients of `verify` need from this machine, and the Debian package that has it. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  curl: "curl",
  git: "git",
  "git-lfs": "git-lfs",
  mmdebstrap: "mmdebstrap",
  ssh: "openssh-client",
  "ssh-agent": "openssh-client",
  "ssh-keygen": "openssh-client",
  tar: "tar",
  xz: "xz-utils",
};

/** Installs what is missing of {@link PROGRAMS} with apt. */
export async function ensurePrograms(rig: Rig): Promise<void> {
  const missing: string[] = [];
  for (const [program, debianPackage] of Object.entries(PROGRAMS)) {
    if (!(await isInstalled(rig, program))) missing.push(debianPackage);
  }
  if (missing.length > 0) await aptInstall(rig, [...new Set(missing)]);
}

/** Whether a program is on PATH. */
export async function isInstalled({ exec }: Rig, program: string): Promise<boolean> {
  const { code } = await exec(["sh", "-c", 'command -v "$1"', "sh", program], { mayFail: true });
  return code === 0;
}

/**
 * Installs Debian packages on this machine. Names that this release does not know may be marked optional with a `?`.
 *
 * @throws UserError (host) where there is no apt or no right to use it
 */
export async function aptInstall(rig: Rig, packages: readonly string[]): Promise<void> {
  const { exec, progress } = rig;
  const names = packages.map((name) => name.replace("?", ""));
  if (rig.uid !== 0 || !existsSync("/usr/bin/apt-get")) {
    const reason = rig.uid === 0 ? "this is not a Debian machine" : "not running as root";
    throw new UserError(
      `sandbox: ${names.join(", ")}: not installed, and ${reason}`,
      rig.uid === 0 ? `install ${names.join(", ")} by hand` : `sudo apt-get install -y ${names.join(" ")}`,
      EXIT.host,
    );
  }
  const environment = { DEBIAN_FRONTEND: "noninteractive" };
  await progress.step("apt", `installing ${names.join(", ")}`, async () => {
    await exec(["apt-get", "-q", "update"], { environment, mayFail: true });
    const wanted: string[] = [];
    for (const name of packages) {
      const optional = name.endsWith("?");
      const known = !optional || (await exec(["apt-cache", "show", name.slice(0, -1)], { mayFail: true })).code === 0;
      if (known) wanted.push(name.replace("?", ""));
    }
    await exec(["apt-get", "-q", "-y", "--no-install-recommends", "install", ...wanted], {
      environment,
      hint: `apt-get install ${wanted.join(" ")}`,
    });
  });
}
