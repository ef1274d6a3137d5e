import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SshTarget } from "../../ssh-target.ts";
import { runOrFail } from "../exec.ts";
import type { Shell } from "../shell.ts";
import { rootCommand, runOnVm } from "../ssh.ts";
import type { Stack } from "../stack.ts";
import { offsiteOf } from "./job.ts";
import { BUNDLE, collectKit, configName, keyName, MANIFEST, RUNBOOK, type KitManifest, type KitSource } from "./kit.ts";
import { remoteFailure } from "./remote-failure.ts";

const TIMEOUT_SECONDS = 900;
/** gid of the backup job */
const JOB_GROUP = "1000";

/**
 * Sends the kit to where it is needed: all of it to the VM, whose next backup takes it along, and to the offsite what
 * the way back begins with when there is nothing left but the passphrase. A repository that somebody else keeps takes
 * only backups.
 *
 * @throws UserError (unreachable) where one of the two cannot be reached
 */
export async function sendKit(shell: Shell, stack: Stack, source: KitSource): Promise<KitManifest> {
  const offsite = offsiteOf(stack);
  const scratch = mkdtempSync(join(tmpdir(), "foundation-kit-"));
  try {
    const directory = mkdtempSync(join(scratch, "kit-"));
    const manifest = await collectKit(shell, stack, source, directory);
    const all = Object.keys(manifest.files);
    const onVm = { to: "/var/lib/foundation/kit", mode: "0750", group: JOB_GROUP };
    await send(shell, stack.config.host, { directory, files: all, ...onVm });
    if (!("address" in offsite)) {
      shell.notice(`kit: ${offsite.repository} keeps nothing in clear: keep a clone with the key file elsewhere`);
      return manifest;
    }
    const first = [BUNDLE, RUNBOOK, configName(stack.name), keyName(stack.name)];
    const onOffsite = { to: "/var/lib/foundation-offsite/kit", mode: "0700", group: "0" };
    await send(shell, offsite, { directory, files: first, ...onOffsite });
    return manifest;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

interface Shipment {
  readonly directory: string;
  /** the manifest comes along */
  readonly files: readonly string[];
  readonly to: string;
  readonly mode: string;
  readonly group: string;
}

async function send(shell: Shell, target: SshTarget, { directory, files, to, mode, group }: Shipment): Promise<void> {
  const archive = `${directory}.tar`;
  await runOrFail(shell.run, "kit", "tar", ["-cf", archive, "-C", directory, ...files, MANIFEST]);
  const script = readFileSync(new URL("./receive-kit.sh", import.meta.url), "utf8");
  const command = rootCommand(target, ["bash", "-c", script, "receive-kit", to, mode, group]);
  const options = { input: await readFile(archive), timeoutSeconds: TIMEOUT_SECONDS };
  const finished = await runOnVm(shell.run, "kit", target, command, options);
  if (finished.exitCode !== 0) throw remoteFailure("kit", finished);
}
