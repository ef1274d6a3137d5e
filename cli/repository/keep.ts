import type { Shell } from "../shell.ts";
import type { OpenStack } from "../stack.ts";
import type { Clone, NoClone } from "./clone.ts";
import { ShallowClone } from "./history.ts";
import { withOwnForge } from "./own-forge.ts";
import { bringUpToDate } from "./repository.ts";

/**
 * Keeps in the forge what was deployed. A checkout that has nothing to keep, or only the end of its history, is none of
 * the deployment's faults: it is said, with what can be done about it.
 *
 * @throws UserError where the forge did not get what it could have been given
 */
export async function keepDeployed(
  shell: Shell,
  stack: OpenStack,
  clone: Clone | NoClone,
  withRemote: boolean,
): Promise<void> {
  if ("reason" in clone) {
    shell.notice(`repository: not kept in the forge: ${clone.reason}`);
    return;
  }
  const request = { stack: stack.name, clone, time: new Date(), withRemote };
  try {
    await withOwnForge(shell, stack, undefined, (forge) => bringUpToDate(shell, forge, request));
  } catch (error) {
    if (!(error instanceof ShallowClone)) throw error;
    shell.notice(`${error.message}\nhint: ${error.hint}`);
  }
}
