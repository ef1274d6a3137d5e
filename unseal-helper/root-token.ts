import { EXIT, UserError } from "../errors.ts";
import { withEndpoint } from "./endpoint-window.ts";
import type { Epoch } from "./share-file.ts";
import { tooFew } from "./share-collection.ts";
import type { ShareSource, Tools } from "./unseal.ts";
import type { VaultClient } from "./vault-client.ts";

const ATTEMPT = "sys/generate-root/attempt";
/** where Vault notes that a token came from sys/init or generate-root */
const ROOT_TOKEN_PATH = "auth/token/root";

/**
 * A token with all rights that runs out by itself.
 *
 * Vault's own root tokens never run out, so one exists only until it has made this token and revoked itself. Should
 * the program be killed in between, nobody has that token, and the next call of this function revokes it.
 *
 * @param seconds how long it lives at most
 * @throws UserError (refused) where the shares are not those in force; (passphrase) where there are too few
 */
export async function issueAdminToken(tools: Tools, seconds: number, shares: ShareSource): Promise<string> {
  const { effects, store, vault } = tools;
  const epoch = store.epoch as Epoch;
  // Before anything is opened: somebody may have to type them.
  const entered = (await shares(epoch)).slice(0, epoch.t);
  if (entered.length < epoch.t) throw tooFew(entered.length, epoch.t);
  return await effects.withHostLock(async () => {
    const root = await withEndpoint(tools, "generate-root", () => generateRoot(tools, entered));
    try {
      await revokeForgotten(tools, root);
      const ttl = `${seconds}s`;
      const body = { policies: ["root"], ttl, explicit_max_ttl: ttl, renewable: false, display_name: "breakglass" };
      const { auth } = (await vault.write(root, "auth/token/create-orphan", body)) as {
        auth?: { client_token?: unknown };
      };
      if (typeof auth?.client_token !== "string") throw unexpected("auth/token/create-orphan");
      return auth.client_token;
    } finally {
      await revoke(vault, root);
    }
  });
}

/**
 * Revokes a token and proves that it is dead.
 *
 * @throws UserError (failed) where it is not
 */
export async function revoke(vault: VaultClient, token: string): Promise<void> {
  if (await vault.isTokenAlive(token)) await vault.revokeSelf(token);
  if (!(await vault.isTokenAlive(token))) return;
  throw new UserError("vault: a token is still valid after its revocation", "run the same command again", EXIT.failed);
}

/** Vault's ceremony: it hands out the token once enough shares are there, hidden under a one-time pad. */
async function generateRoot({ effects, store, vault }: Tools, shares: readonly Buffer[]): Promise<string> {
  const before = await vault.call({ method: "GET", path: ATTEMPT });
  if (before["started"] === true) {
    effects.log("vault: ending a root generation that was left behind");
    await vault.call({ method: "DELETE", path: ATTEMPT, body: { nonce: before["nonce"] } });
  }
  const { nonce, otp } = await vault.call({ method: "PUT", path: ATTEMPT, body: {} });
  for (const share of shares) {
    const body = { key: share.toString("base64"), nonce };
    const answer = await vault.tryCall({ method: "PUT", path: "sys/generate-root/update", body });
    if (answer === undefined) throw foreignShares(store.epoch as Epoch);
    if (answer["complete"] === true) return unpad(answer["encoded_token"], otp);
  }
  throw unexpected("sys/generate-root/update");
}

function unpad(encoded: unknown, pad: unknown): string {
  if (typeof encoded !== "string" || typeof pad !== "string") throw unexpected("sys/generate-root/update");
  const bytes = Buffer.from(encoded, "base64");
  const key = Buffer.from(pad);
  return Buffer.from(bytes.map((byte, at) => byte ^ (key[at] ?? 0))).toString();
}

/** Root tokens of runs that were killed before they could revoke them. */
async function revokeForgotten({ effects, vault }: Tools, root: string): Promise<void> {
  const own = await vault.read(root, "auth/token/lookup-self");
  const { accessor: ownAccessor } = (own?.["data"] ?? {}) as { accessor?: string };
  const list = await vault.call({ method: "GET", path: "auth/token/accessors?list=true", token: root });
  const { keys = [] } = (list["data"] ?? {}) as { keys?: string[] };
  for (const accessor of keys.filter((key) => key !== ownAccessor)) {
    const path = "auth/token/lookup-accessor";
    const found = await vault.tryCall({ method: "POST", path, token: root, body: { accessor } });
    if (((found?.["data"] ?? {}) as { path?: string }).path !== ROOT_TOKEN_PATH) continue;
    effects.log("vault: revoking a root token that was left behind");
    await vault.write(root, "auth/token/revoke-accessor", { accessor });
  }
}

function foreignShares({ id }: Epoch): UserError {
  return new UserError(
    `vault: the shares of epoch ${id} are not those in force`,
    "if a rekey was cut short: npx foundation vault rekey; else the share file is not the newest: git pull",
    EXIT.refused,
  );
}

function unexpected(path: string): UserError {
  return new UserError(`vault: ${path}: not an answer of Vault`, "run the same command again", EXIT.failed);
}
