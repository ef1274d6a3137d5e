import { createHash } from "node:crypto";
import type { Commit } from "../../backup/commit.ts";
import type { LastRun } from "../../backup/status.ts";
import { type Ended, must, run, sshTo } from "./rig.ts";

/** What a run of the job says of itself. */
export type RunResult = LastRun & { readonly id?: string; readonly commit?: Commit };

/** A command of the job in its container. */
export async function job(...args: string[]): Promise<Ended> {
  return run(sshTo("host", `docker exec backup node /opt/backup/job.mjs ${args.join(" ")}`));
}

/** One run. */
export async function backup(): Promise<RunResult & { readonly code: number | null }> {
  const { code, stdout, stderr } = await job("run", "--json");
  if (stdout === "") throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as RunResult) };
}

/** A run that has to make a set. */
export async function committed(): Promise<RunResult & { readonly commit: Commit }> {
  const { commit, ...result } = await backup();
  if (commit === undefined) throw new Error(`no set: ${result.reason ?? ""}`);
  return { ...result, commit };
}

/**
 * A shell command for the VM that runs restic in the job's container, with its credentials; nothing of them is in an
 * argument.
 *
 * @param inside directory of a repository within the foundation's own, with a slash at its end; none for that itself
 */
export function restic(args: string, inside = ""): string {
  const from = (key: string, value: string): string =>
    `$(sed -n "s/.*\\"${key}\\": \\"\\(${value}\\)\\".*/\\1/p" /etc/foundation/plan.json)`;
  const environment = [
    `RESTIC_REPOSITORY=${from("url", 'rest:[^\\"]*')}${inside}`,
    `RESTIC_REST_USERNAME=${from("username", '[^\\"]*')}`,
    "RESTIC_REST_PASSWORD=$(cat /etc/foundation/offsite_password)",
    "RESTIC_PASSWORD_FILE=/etc/foundation/restic_password",
    "RESTIC_CACERT=/etc/foundation/offsite_ca.pem",
    "TMPDIR=/var/lib/backup",
    `RESTIC_CACHE_DIR=/var/lib/backup/cache${inside === "" ? "" : "-other"}`,
  ];
  return `docker exec backup sh -c 'export ${environment.join(" ")}; restic ${args}'`;
}

/**
 * What looks like a key of restic's and was cut off. restic stops at it if it comes to it before the repository's own;
 * rest-server lists keys by their names, which are the digests of what they hold, so names before the other keys' are
 * looked for.
 *
 * @param names the names of the keys that are there
 */
export function cutOffKeys(count: number, names: readonly string[]): { readonly name: string; readonly key: string }[] {
  const found: { name: string; key: string }[] = [];
  for (let at = 0; found.length < count; at += 1) {
    const created = new Date(at * 1000).toISOString();
    const key = `{"kdf":"scrypt","N":32768,"r":8,"p":1,"created":"${created}","data":"AAAA","salt":"AAAA"}`;
    const name = createHash("sha256").update(key).digest("hex");
    if (names.every((other) => name < other)) found.push({ name, key });
  }
  return found;
}

/** A shell command as root on the offsite's host. */
export const onOffsite = (command: string): Promise<string> => must(sshTo("offsite", command));
