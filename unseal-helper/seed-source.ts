import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { UserError } from "../errors.ts";
import { sshArguments } from "../ssh-target.ts";
import { type ChildEnvironment, connect } from "./exec.ts";
import { runHostScript, unreachable } from "./host-script.ts";
import type { Seed } from "./seed.ts";
import { parseSeedManifest, type SeedManifest } from "./seed-manifest.ts";
import type { Session } from "./session.ts";
import { verifySnapshot } from "./snapshot-archive.ts";
import { snapshotTransfer } from "./snapshot-transfer.ts";
import { sshAgent } from "./ssh-transport.ts";

const TIMEOUT_SECONDS = 60;
const SNAPSHOT = "/var/lib/foundation/seed/vault.snap";

/** The snapshot that stage 3 has left on the VM, fetched through ssh into a file that {@link close} removes. */
export function openSeed(
  { target, openConnection, secrets }: Session,
  env: ChildEnvironment,
): Seed & { close(): Promise<void> } {
  const agent = sshAgent(openConnection, (code, stderr) => unreachable(target, code, stderr));
  const directories: string[] = [];
  const onHost = async (command: "read" | "remove"): Promise<string> => {
    const script = await readFile(new URL("seed-host.sh", import.meta.url), "utf8");
    return await runHostScript(target, env, { script, words: [command], timeoutSeconds: TIMEOUT_SECONDS });
  };
  return {
    read: async () => {
      const text = await onHost("read");
      return text === "" ? undefined : parseSeedManifest(text);
    },
    fetch: async (manifest) => {
      const directory = await mkdtemp(join(tmpdir(), "vault-seed-"));
      directories.push(directory);
      const path = join(directory, "vault.snap");
      const sudo = target.user === "root" ? "" : "sudo -n ";
      const connection = connect(["ssh", ...sshArguments(target), `${sudo}cat ${SNAPSHOT}`], env);
      connection.child.stdin.end();
      await pipeline(connection.child.stdout, createWriteStream(path, { mode: 0o600 }));
      const code = await connection.ended;
      if (code === 255 || code === 127) throw unreachable(target, code, connection.stderr());
      if (code !== 0) throw new UserError(`vm: ${SNAPSHOT}: ${connection.stderr()}`, "run again");
      await compare(path, manifest);
      return path;
    },
    remove: async () => void (await onHost("remove")),
    transfer: snapshotTransfer(agent),
    appRole: secrets.vaultAppRole,
    close: async () => {
      agent.destroy();
      for (const directory of directories) await rm(directory, { recursive: true, force: true });
    },
  };
}

async function compare(path: string, { bytes, sha256 }: SeedManifest): Promise<void> {
  const archive = await verifySnapshot(path);
  if (archive.bytes === bytes && archive.sha256 === sha256) return;
  throw new UserError(
    `vm: ${SNAPSHOT}: is not the one that the backup describes`,
    "restore again: rm -r /var/lib/foundation/seed/* (on the VM), then pulumi up",
  );
}
