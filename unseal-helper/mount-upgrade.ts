import { UserError } from "../errors.ts";
import type { Tools } from "./unseal.ts";

const WAIT_SECONDS = 30;
const STEP_MILLISECONDS = 100;

/**
 * Waits until a new KV store of version 2 takes requests: for a moment after it was mounted, it refuses them with 400.
 *
 * @throws UserError (failed) after 30 s
 */
export async function waitForMount(
  { vault, effects }: Pick<Tools, "vault" | "effects">,
  token: string,
  path: string,
): Promise<void> {
  const end = effects.monotonicNow() + WAIT_SECONDS * 1000;
  while ((await vault.statusOf({ method: "GET", path: `${path}/config`, token })) !== 200) {
    if (effects.monotonicNow() > end) {
      throw new UserError(
        `vault: ${path}/ is not ready after ${WAIT_SECONDS} s`,
        "docker logs --tail 50 vault (on the VM)",
      );
    }
    await effects.sleep(STEP_MILLISECONDS);
  }
}
