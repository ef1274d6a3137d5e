import { EXIT, UserError } from "../errors.ts";
import type { AppRoleCredentials } from "../keys/derive.ts";
import { breakGlass } from "./breakglass.ts";
import { withLogin } from "./login.ts";
import type { Epoch } from "./share-file.ts";
import type { Tools } from "./unseal.ts";
import type { VaultClient } from "./vault-client.ts";

/** Name of the AppRole and of the policy with which the Pulumi program configures Vault. */
export const PULUMI_ROLE = "pulumi";

/**
 * The policy of the Pulumi program: it manages mounts, auth methods, policies, audit devices and what is in them.
 *
 * That is close to root, because whoever writes policies can give himself any right. The denied paths are those that
 * no deployment has business with: a mistake in the program cannot seal Vault, replace its keys or its whole content.
 */
export const PULUMI_POLICY = `path "*" {
  capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"]
}
${["raw", "seal", "step-down", "rekey", "rekey-recovery-key", "generate-root", "generate-recovery-token"]
  .flatMap((family) => [`sys/${family}`, `sys/${family}/*`])
  .concat("sys/storage/raft/snapshot-force")
  .map((path) => `path "${path}" {\n  capabilities = ["deny"]\n}\n`)
  .join("")}`;

const REPAIR_SECONDS = 300;
const ROLE_PATH = `auth/approle/role/${PULUMI_ROLE}`;

/**
 * Uses the initial root token once: gives the Pulumi program its AppRole, then revokes the token.
 *
 * The token stays sealed in the share file from the moment Vault handed it out until it is proven dead, so that a
 * crash at any point is finished by the next run. A token that is dead already has done its work.
 */
export async function bootstrap({ vault, store, effects }: Tools, credentials: AppRoleCredentials): Promise<boolean> {
  if ((store.epoch as Epoch).rootToken === null) return false;
  const token = store.rootToken();
  if (await vault.isTokenAlive(token)) {
    effects.log("vault: setting up the AppRole of the Pulumi program");
    await configure(vault, token, credentials);
    await vault.revokeSelf(token);
    if (await vault.isTokenAlive(token)) {
      throw new UserError(
        "vault: the root token is still valid after its revocation",
        "npx foundation vault ensure",
        EXIT.failed,
      );
    }
  }
  await verifyLogin(vault, credentials);
  await store.updateEpoch({ rootToken: null });
  return true;
}

/**
 * Proves that the Pulumi program can log in, and leaves no token behind.
 *
 * @throws UserError (failed) where it cannot
 */
export async function verifyLogin(vault: VaultClient, credentials: AppRoleCredentials): Promise<void> {
  await asProgram(vault, credentials, () => Promise.resolve());
}

/**
 * Runs `work` with a token of the Pulumi program's AppRole, which is revoked afterwards.
 *
 * @throws UserError (failed) where the AppRole does not accept its credentials
 */
export async function asProgram<T>(
  vault: VaultClient,
  credentials: AppRoleCredentials,
  work: (token: string) => Promise<T>,
): Promise<T> {
  const done = await withLogin(vault, credentials, async (token) => ({ result: await work(token) }));
  if (done !== undefined) return done.result;
  throw new UserError(
    `vault: the AppRole ${PULUMI_ROLE} does not accept its derived credentials: it was removed or changed`,
    "find out by whom; to write it again: npx foundation vault ensure --repair-role",
    EXIT.failed,
  );
}

/**
 * Writes the AppRole of the Pulumi program again where it is lost, with a token that dies with this call.
 *
 * @returns whether it was lost
 */
export async function repairRole(tools: Tools, credentials: AppRoleCredentials): Promise<boolean> {
  if (await canLogIn(tools.vault, credentials)) return false;
  await breakGlass(tools, REPAIR_SECONDS, (token) => configure(tools.vault, token, credentials));
  return true;
}

async function canLogIn(vault: VaultClient, credentials: AppRoleCredentials): Promise<boolean> {
  return (await withLogin(vault, credentials, () => Promise.resolve(true))) === true;
}

async function configure(vault: VaultClient, token: string, { roleId, secretId }: AppRoleCredentials): Promise<void> {
  const { data } = ((await vault.read(token, "sys/auth")) ?? {}) as { data?: Record<string, unknown> };
  if (data?.["approle/"] === undefined) await vault.write(token, "sys/auth/approle", { type: "approle" });
  await vault.write(token, `sys/policies/acl/${PULUMI_ROLE}`, { policy: PULUMI_POLICY });
  await vault.write(token, ROLE_PATH, {
    token_policies: [PULUMI_ROLE],
    token_ttl: "30m",
    token_max_ttl: "2h",
    // The secret id is derived and comes back with the key file: it must never run out.
    secret_id_ttl: 0,
    secret_id_num_uses: 0,
  });
  await vault.write(token, `${ROLE_PATH}/role-id`, { role_id: roleId });
  // Vault refuses to register a secret id twice.
  const known = await vault.write(token, `${ROLE_PATH}/secret-id/lookup`, { secret_id: secretId });
  if (known["data"] === undefined) await vault.write(token, `${ROLE_PATH}/custom-secret-id`, { secret_id: secretId });
}
