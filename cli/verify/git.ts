import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runOrFail } from "../exec.ts";
import { writeHttpsLogin } from "../git-login.ts";
import { sshOptions } from "../../ssh-target.ts";
import type { Scratch } from "../scratch.ts";
import type { VerifyContext } from "./context.ts";
import type { Forge } from "./forge.ts";

type Environment = Readonly<Record<string, string>>;

/** The real git on this machine, with an environment of its own: none of the operator's settings, keys or helpers. */
export interface Git {
  /** @param what said when it fails */
  (what: string, directory: string, ...args: string[]): Promise<string>;
}

/** git with the given way of logging in. */
export function gitWith(context: VerifyContext, login: Environment): Git {
  const identity = { name: "foundation verify", email: "verify@foundation.invalid" };
  const env = {
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    GIT_AUTHOR_NAME: identity.name,
    GIT_AUTHOR_EMAIL: identity.email,
    GIT_COMMITTER_NAME: identity.name,
    GIT_COMMITTER_EMAIL: identity.email,
    ...login,
  };
  return async (what, directory, ...args) => {
    return (await runOrFail(context.run, what, "git", args, { directory, env })).trim();
  };
}

/** Logs in over HTTPS with the token that all checks share. */
export async function httpsLogin(context: VerifyContext, scratch: Scratch, forge: Forge): Promise<Environment> {
  const { username } = context.forge;
  return writeHttpsLogin(scratch.directory, { username, token: await forge.token(), ca: context.ca });
}

/** Logs in over SSH with a key made for the occasion, and accepts no host key but the derived one. */
export async function sshLogin(context: VerifyContext, scratch: Scratch, forge: Forge): Promise<Environment> {
  const key = join(scratch.directory, "id_ed25519");
  const args = ["-q", "-t", "ed25519", "-N", "", "-C", scratch.id, "-f", key];
  await runOrFail(context.run, "making an SSH key", "ssh-keygen", args);
  const publicKey = await runOrFail(context.run, "reading the SSH key", "cat", [`${key}.pub`]);
  await forge.authoriseKey(scratch, publicKey.trim());
  const { sshPort: port, sshHostKey: hostKey } = context.forge;
  const options = sshOptions({ address: context.sites.git, user: "git", port, hostKey });
  const command = ["ssh", "-F", "/dev/null", "-i", key, "-o", "IdentitiesOnly=yes", ...options];
  return { GIT_SSH_COMMAND: command.map((word) => `'${word}'`).join(" "), GIT_SSH_VARIANT: "ssh" };
}

/**
 * A new repository with one commit of one random file.
 *
 * @returns its directory and the commit's hash
 */
export async function commitRandomFile(
  git: Git,
  scratch: Scratch,
  file: { name: string; bytes: number; prepare?: (directory: string) => Promise<void> },
): Promise<{ directory: string; commit: string; content: Buffer }> {
  const directory = join(scratch.directory, "work");
  await mkdir(directory);
  await git("git init", directory, "init", "--quiet", "--initial-branch=main");
  await file.prepare?.(directory);
  const content = randomBytes(file.bytes);
  await writeFile(join(directory, file.name), content);
  await git("git add", directory, "add", ".");
  await git("git commit", directory, "commit", "--quiet", "--message=verify");
  return { directory, content, commit: await git("git rev-parse", directory, "rev-parse", "HEAD") };
}
