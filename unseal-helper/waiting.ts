import { EXIT, UserError } from "../errors.ts";
import { type Effects, VaultUnavailable } from "./effects.ts";
import type { SealStatus, VaultClient } from "./vault-client.ts";

const WAIT_SECONDS = 30;
const STEP_MILLISECONDS = 200;

type Clock = Pick<Effects, "sleep" | "monotonicNow">;

/**
 * The seal status of a Vault that may just have been started.
 *
 * @throws UserError (unreachable) after 30 s; (refused) for a seal that is not Shamir's
 */
export async function waitForVault(vault: VaultClient, clock: Clock): Promise<SealStatus> {
  const status = await poll(clock, async () => {
    try {
      return await vault.sealStatus();
    } catch (error) {
      if (error instanceof VaultUnavailable) return error;
      throw error;
    }
  });
  if (status instanceof VaultUnavailable) {
    throw new UserError(`${status.message}; gave up after ${WAIT_SECONDS} s`, status.hint, EXIT.unreachable);
  }
  if (status.type === "shamir" && !status.migration) return status;
  throw new UserError(
    `vault: seal type ${status.type}${status.migration ? ", in migration" : ""}, not shamir`,
    "this helper opens Vaults with a Shamir seal only",
    EXIT.refused,
  );
}

/**
 * Waits until an unsealed Vault takes requests: a raft node first has to elect itself.
 *
 * @throws UserError (failed) after 30 s
 */
export async function waitForActive(vault: VaultClient, clock: Clock): Promise<void> {
  const inactive = new VaultUnavailable("unsealed, but not active");
  const result = await poll(clock, async () => ((await vault.isActive()) ? true : inactive));
  if (result === inactive) throw new UserError(`${inactive.message} after ${WAIT_SECONDS} s`, inactive.hint);
}

/** Tries until something other than an error comes back or the time is over; returns the last result. */
async function poll<T>(clock: Clock, attempt: () => Promise<T | VaultUnavailable>): Promise<T | VaultUnavailable> {
  const end = clock.monotonicNow() + WAIT_SECONDS * 1000;
  for (;;) {
    const result = await attempt();
    if (!(result instanceof VaultUnavailable) || clock.monotonicNow() >= end) return result;
    await clock.sleep(STEP_MILLISECONDS);
  }
}
