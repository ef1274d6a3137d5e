import { basename, dirname } from "node:path";
import { estimateBits, MINIMUM_BITS } from "../keys/passphrase.ts";
import type { Finding } from "./doctor.ts";
import { type ChildEnvironment, run } from "./exec.ts";
import { opens, readPulumiFiles } from "./pulumi-files.ts";
import type { ShareStore } from "./share-store.ts";

/** Whether the files are where they survive the loss of this disk. */
export async function examineCopies(paths: readonly string[], env: ChildEnvironment): Promise<Finding[]> {
  const [first = "."] = paths;
  const git = async (...args: string[]): Promise<string | undefined> => {
    const command = ["git", "-C", dirname(first), ...args];
    const { code, stdout } = await run(command, { env, input: "", timeoutSeconds: 30 });
    return code === 0 ? stdout.trim() : undefined;
  };
  if ((await git("rev-parse", "--is-inside-work-tree")) !== "true") {
    return [
      finding(
        "copies",
        `${dirname(first)}: in no git repository: this disk has the only copy`,
        "git init; add a remote",
      ),
    ];
  }
  const findings: Finding[] = [];
  const names = paths.map((path) => basename(path));
  const changed = await git("status", "--porcelain", "--ignored", "--", ...names);
  if (changed) {
    const cure = `git add ${paths.join(" ")} && git commit -m "Update the keys" && git push`;
    findings.push(
      finding(
        "commit",
        `not committed: ${changed
          .split(/\n/)
          .map((line) => line.slice(3))
          .join(", ")}`,
        cure,
      ),
    );
  }
  if (!(await git("remote"))) {
    findings.push(
      finding(
        "copies",
        "the repository has no remote: this disk has the only copy",
        "git remote add origin URL && git push -u origin HEAD",
      ),
    );
  } else if (await git("log", "--oneline", "HEAD", "--not", "--remotes", "--", ...names)) {
    findings.push(finding("copies", "the newest keys are not pushed: this disk has the only copy", "git push"));
  }
  return findings;
}

/** Whether one passphrase opens everything, and is worth its name. `isKey` tells whether it opens slot 0. */
export async function examinePassphrase(args: {
  passphrase: Buffer;
  isKey: boolean;
  keyFile: string;
  project: string;
  stack: string;
  env: ChildEnvironment;
}): Promise<Finding[]> {
  const { passphrase, isKey, keyFile, project, stack, env } = args;
  const { config, state } = await readPulumiFiles(project, stack, env);
  const findings: Finding[] = [];
  const rotate =
    "with both passphrases: npx foundation vault passphrase rotate; if the old one is lost: npx foundation vault passphrase reset";
  if (!isKey) findings.push(finding("passphrase", `does not open ${keyFile}`, rotate));
  for (const file of [config, state]) {
    if (file === undefined || (await opens(file, passphrase))) continue;
    findings.push(finding("passphrase", `does not open ${file.path}`, rotate));
  }
  const bits = await estimateBits(passphrase.toString());
  if (bits < MINIMUM_BITS) {
    const what = `about ${Math.floor(bits)} bits, at least ${MINIMUM_BITS} are needed: the key file can be guessed at offline`;
    findings.push(finding("weak-passphrase", what, "npx foundation vault passphrase rotate"));
  }
  return findings;
}

/** What the share file leaves to be done. */
export function examineShares(store: ShareStore): Finding[] {
  const { epoch, pendingRekey } = store;
  if (epoch === undefined) return [finding("shares", "there are none", "npx foundation vault ensure")];
  const findings: Finding[] = [];
  if (epoch.phase !== "COMMITTED" || epoch.rootToken !== null) {
    findings.push(finding("half-done", `epoch ${epoch.id} is not finished`, "npx foundation vault ensure"));
  }
  if (pendingRekey !== undefined) {
    findings.push(
      finding("half-done", `the rekey to epoch ${pendingRekey.id} is not finished`, "npx foundation vault rekey"),
    );
  }
  const paper = epoch.shares.filter(({ custody }) => custody === "paper").length;
  if (epoch.phase === "COMMITTED" && paper < epoch.t) {
    const what = `${paper} of the ${epoch.t} that open Vault are on paper: a lost key file would be the end of it`;
    findings.push(finding("paper", what, "npx foundation vault shares print --out DIR"));
  }
  return findings;
}

function finding(check: string, what: string, cure: string): Finding {
  return { check, what, cure };
}
