import { randomUUID } from "node:crypto";
import type { Driver } from "../driver.ts";

/**
 * An explicit provider: configuration that its resources are handed, nothing that exists. A change of any of it is an
 * update in place and touches none of the resources made with it.
 */
export function provider(inputs: readonly string[]): Driver {
  return {
    inputs,
    replaceOn: [],
    create: () => Promise.resolve({ id: randomUUID(), outputs: {} }),
    update: () => Promise.resolve({}),
  };
}

/** Arguments of docker.Provider that make sense here: one host over SSH, or a socket. */
export const DOCKER_PROVIDER_INPUTS = ["host", "sshOpts", "disableDockerDaemonCheck"];

/** Arguments of vault.Provider: AppRole login, and the knobs that the SDK sets by default. */
export const VAULT_PROVIDER_INPUTS = [
  ...["address", "authLogin", "skipChildToken", "skipGetVaultVersion", "vaultVersionOverride"],
  ...["maxLeaseTtlSeconds", "maxRetries"],
];
