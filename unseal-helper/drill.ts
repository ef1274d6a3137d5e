import { readFile } from "node:fs/promises";
import { sshArguments } from "../ssh-target.ts";
import { CLOCK } from "./clock.ts";
import type { Effects } from "./effects.ts";
import { connect } from "./exec.ts";
import { runHostScript, unreachable } from "./host-script.ts";
import { type RestoreArgs, type Restored, restoreVault } from "./restore.ts";
import type { Session, Surroundings } from "./session.ts";
import { snapshotTransfer } from "./snapshot-transfer.ts";
import { sendRequest, sshAgent } from "./ssh-transport.ts";
import { VaultClient } from "./vault-client.ts";

const TIMEOUT_SECONDS = 120;

/** A restore that was tried out. */
export interface Drilled extends Restored {
  readonly seconds: number;
}

/**
 * Restores a snapshot into a Vault beside the real one, which is removed again in every case.
 *
 * @throws UserError as {@link restoreVault}
 */
export async function drill(
  { tools, target, secrets }: Session,
  around: Surroundings,
  args: Omit<RestoreArgs, "transfer">,
): Promise<Drilled> {
  const script = await readFile(new URL("drill-host.sh", import.meta.url), "utf8");
  const env = around.childEnvironment;
  const onHost = (command: "start" | "restart" | "stop"): Promise<string> =>
    runHostScript(target, env, { script, words: [secrets.ownerId, command], timeoutSeconds: TIMEOUT_SECONDS });
  const started = CLOCK.monotonicNow();
  around.log("drill: starting a Vault without a network");
  let address = await onHost("start");
  const agent = sshAgent(
    () => connect(["ssh", "-W", `${address}:8200`, ...sshArguments(target)], env),
    (code, stderr) => unreachable(target, code, stderr),
  );
  const effects: Effects = {
    ...tools.effects,
    requestVault: (request) => sendRequest(agent, request),
    // It is new, belongs to this run, and is thrown away: there is nothing to journal, to start over or to lock.
    readMarker: () => Promise.resolve(undefined),
    writeMarker: () => Promise.resolve(),
    startVault: () => Promise.resolve(),
    stopVault: () => Promise.reject(new Error("a drill starts over from nothing")),
    wipeVolume: () => Promise.reject(new Error("a drill starts over from nothing")),
    restartVault: async () => void (address = await onHost("restart")),
    withHostLock: (work) => work(),
  };
  try {
    const vault = new VaultClient((request) => effects.requestVault(request));
    const transfer = snapshotTransfer(agent);
    const restored = await restoreVault({ effects, vault, store: tools.store }, { ...args, transfer });
    return { ...restored, seconds: (CLOCK.monotonicNow() - started) / 1000 };
  } finally {
    agent.destroy();
    await onHost("stop");
  }
}
