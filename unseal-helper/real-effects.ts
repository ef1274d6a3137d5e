import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Agent } from "node:http";
import { EXIT, UserError } from "../errors.ts";
import { writeFileAtomically } from "../keys/atomic-file.ts";
import { CLOCK } from "./clock.ts";
import type { Effects } from "./effects.ts";
import { pgp } from "./pgp.ts";
import { sendRequest } from "./ssh-transport.ts";
import type { VaultHost } from "./vault-host.ts";

type FileEffects = Pick<Effects, "readShareFile" | "writeShareFile">;

/** The share file on this machine. */
export function shareFileEffects(path: string): FileEffects {
  return {
    readShareFile: () => readOptional(path),
    writeShareFile: (text) => writeFileAtomically(path, text, true),
  };
}

/** The world as it is: the share file, Vault and its container on the VM, the clock. */
export function realEffects(args: {
  file: FileEffects;
  agent: Agent;
  host: Pick<VaultHost, "run" | "withLock">;
  log: (line: string) => void;
}): Effects {
  const { file, agent, host, log } = args;
  return {
    ...file,
    requestVault: (request) => sendRequest(agent, request),
    readMarker: async () => (await host.run(["read-marker"])) || undefined,
    writeMarker: async (marker) => void (await host.run(["write-marker", marker])),
    initialiseVault: ({ epochId, n, t, pgpPublicKey }) =>
      host.run(["initialise", epochId, String(n), String(t), pgpPublicKey]),
    readSpool: async (epochId) => (await host.run(["read-spool", epochId])) || undefined,
    shredSpool: async () => void (await host.run(["shred-spool"])),
    stopVault: async () => void (await host.run(["stop"])),
    startVault: async () => void (await host.run(["start"])),
    restartVault: async () => void (await host.run(["restart"])),
    openEndpoint: async (family) => void (await host.run(["open-endpoint", family])),
    closeEndpoints: async () => void (await host.run(["close-endpoints"])),
    wipeVolume: async (marker) => void (await host.run(["wipe", marker])),
    withHostLock: (work) => host.withLock(work),
    ...CLOCK,
    newId: () => randomUUID(),
    pgp,
    log,
  };
}

/** Text of a file; `undefined` where it does not exist. */
export async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new UserError(`${path}: cannot be read (${code})`, `ls -l ${path}`, EXIT.keyFile);
  }
}
