import { EXIT, UserError } from "../errors.ts";
import type { EndpointFamily } from "./effects.ts";
import type { Tools } from "./unseal.ts";

// Since 2.0 Vault takes rekey and generate-root only from holders of a token, which nobody here has: the root token is
// revoked. Its configuration can open them to whoever has the shares. They are opened for one ceremony of some
// milliseconds and closed again; what a killed run leaves open is found by asking Vault, from any machine.

const PROBES: Readonly<Record<EndpointFamily, string>> = {
  "generate-root": "sys/generate-root/attempt",
  rekey: "sys/rekey/init",
};
const FAMILIES = Object.keys(PROBES) as EndpointFamily[];
const WAIT_SECONDS = 10;
const STEP_MILLISECONDS = 100;

/**
 * Runs `work` while Vault answers the family without a token, and proves afterwards that it does so no more.
 *
 * @param work must end by itself within seconds
 * @throws UserError (failed) where the configuration has no effect; (refused) where the endpoints do not close
 */
export async function withEndpoint<T>(tools: Tools, family: EndpointFamily, work: () => Promise<T>): Promise<T> {
  if (await isAlwaysOpen(tools, family)) return await work();
  try {
    await tools.effects.openEndpoint(family);
    if (!(await becomes(tools, () => isOpen(tools, family)))) {
      throw new UserError(
        `vault: ${PROBES[family]}: stays closed after its configuration was opened`,
        "docker logs --tail 50 vault (on the VM)",
        EXIT.failed,
      );
    }
    return await work();
  } finally {
    await closeEndpoints(tools);
  }
}

/**
 * Closes what a run that was killed has left open; leaves alone what a run that is at work has opened.
 *
 * @returns whether there was anything to close
 */
export async function closeLeftOpen(tools: Tools): Promise<boolean> {
  const { effects, vault } = tools;
  const { version, sealed, initialized } = await vault.sealStatus();
  if (sealed || !initialized || major(version) < 2 || (await areClosed(tools))) return false;
  let isOwner = false;
  try {
    return await effects.withHostLock(async () => {
      isOwner = true;
      effects.log("vault: an earlier run was killed and left its endpoints open; closing them");
      await closeEndpoints(tools);
      return true;
    });
  } catch (error) {
    if (isOwner || !(error instanceof UserError) || error.exitCode !== EXIT.refused) throw error;
    effects.log("vault: somebody else has its endpoints open at the moment");
    return false;
  }
}

async function closeEndpoints(tools: Tools): Promise<void> {
  await tools.effects.closeEndpoints();
  if (await becomes(tools, () => areClosed(tools))) return;
  throw new UserError(
    "vault: still answers rekey or generate-root without a token",
    "remove enable_unauthenticated_access from /etc/foundation/vault/vault.hcl; docker restart vault (on the VM)",
    EXIT.refused,
  );
}

/** Before 2.0 there is nothing to close. */
async function isAlwaysOpen(tools: Tools, family: EndpointFamily): Promise<boolean> {
  const { version } = await tools.vault.sealStatus();
  return major(version) < 2 && (await isOpen(tools, family));
}

async function areClosed(tools: Tools): Promise<boolean> {
  for (const family of FAMILIES) if (await isOpen(tools, family)) return false;
  return true;
}

async function isOpen({ vault }: Tools, family: EndpointFamily): Promise<boolean> {
  const path = PROBES[family];
  const status = await vault.statusOf({ method: "GET", path });
  if (status === 200) return true;
  if (status === 403) return false;
  throw new UserError(`vault: ${path}: answered ${status}`, "docker logs --tail 50 vault (on the VM)", EXIT.failed);
}

async function becomes({ effects }: Tools, holds: () => Promise<boolean>): Promise<boolean> {
  const end = effects.monotonicNow() + WAIT_SECONDS * 1000;
  while (!(await holds())) {
    if (effects.monotonicNow() >= end) return false;
    await effects.sleep(STEP_MILLISECONDS);
  }
  return true;
}

function major(version: string): number {
  return Number.parseInt(version, 10);
}
