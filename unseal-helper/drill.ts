import { readFile } from "node:fs/promises";
import { EXIT, UserError } from "../errors.ts";
import { sshArguments } from "../ssh-target.ts";
import { CLOCK } from "./clock.ts";
import type { Effects } from "./effects.ts";
import { connect, run } from "./exec.ts";
import { type RestoreArgs, type Restored, restoreVault } from "./restore.ts";
import type { Session, Surroundings } from "./session.ts";
import { snapshotTransfer } from "./snapshot-transfer.ts";
import { sendRequest, sshAgent } from "./ssh-transport.ts";
import { VaultClient } from "./vault-client.ts";
import { unreachable } from "./vault-host.ts";

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
  const onHost = async (command: "start" | "restart" | "stop"): Promise<string> => {
    const remote = `${target.user === "root" ? "" : "sudo -n "}timeout ${TIMEOUT_SECONDS} bash -s -- ${secrets.ownerId} ${command}`;
    const options = { env, input: script, timeoutSeconds: TIMEOUT_SECONDS + 30 };
    const { code, stdout, stderr } = await run(["ssh", ...sshArguments(target), remote], options);
    if (code === 0) return stdout.trim();
    if (code === 255 || code === 127) throw unreachable(target, code, stderr);
    const [, message = `vm: the drill's host script ended with ${code}`, hint = "docker ps -a (on the VM)"] =
      /^(.+)\nhint: (.+)$/m.exec(stderr) ?? [];
    throw new UserError(message, hint, code === EXIT.refused ? EXIT.refused : EXIT.failed);
  };
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
