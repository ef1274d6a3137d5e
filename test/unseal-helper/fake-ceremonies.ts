import { randomBytes, randomUUID } from "node:crypto";
import type { VaultRequest, VaultResponse } from "../../unseal-helper/effects.ts";
import { combineShares } from "../../unseal-helper/shamir.ts";
import type { Storage } from "./fake-vault.ts";
import { splitSecret } from "./shamir-split.ts";

interface Rekey {
  nonce: string;
  n: number;
  t: number;
  entered: Buffer[];
  /** once the old shares have been entered */
  fresh?: { nonce: string; shares: Buffer[]; rootKey: Buffer };
}

const OK: VaultResponse = { status: 204, body: {} };
const REFUSED: VaultResponse = { status: 400, body: { errors: ["refused"] } };
const WRONG_KEY: VaultResponse = {
  status: 500,
  body: { errors: ["failed to read root key: cipher: message authentication failed"] },
};

/** What Vault does for whoever has enough shares: rekey and generate-root. Nothing of it survives a seal. */
export class FakeCeremonies {
  readonly #secrets: string[];
  #rekey: Rekey | undefined;
  #root: { nonce: string; otp: string; entered: Buffer[] } | undefined;

  /** @param secrets collects what is handed out */
  constructor(secrets: string[]) {
    this.#secrets = secrets;
  }

  reset(): void {
    this.#rekey = undefined;
    this.#root = undefined;
  }

  answer({ method, path, body = {} }: VaultRequest, storage: Storage): VaultResponse | undefined {
    const input = body as Record<string, string | number>;
    switch (`${method} ${path}`) {
      case "GET sys/rekey/init":
        return { status: 200, body: { started: this.#rekey !== undefined, nonce: this.#rekey?.nonce ?? "" } };
      case "DELETE sys/rekey/init":
        if (input["nonce"] !== this.#rekey?.nonce) return REFUSED;
        this.#rekey = undefined;
        return OK;
      case "PUT sys/rekey/init":
        return this.#startRekey(Number(input["secret_shares"]), Number(input["secret_threshold"]));
      case "PUT sys/rekey/update":
        return this.#updateRekey(input, storage);
      case "PUT sys/rekey/verify":
        return this.#verifyRekey(input, storage);
      case "GET sys/generate-root/attempt":
        return { status: 200, body: { started: this.#root !== undefined, nonce: this.#root?.nonce ?? "" } };
      case "DELETE sys/generate-root/attempt":
        this.#root = undefined;
        return OK;
      case "PUT sys/generate-root/attempt":
        if (this.#root !== undefined) return REFUSED;
        this.#root = { nonce: randomUUID(), otp: randomBytes(14).toString("hex"), entered: [] };
        return { status: 200, body: { started: true, nonce: this.#root.nonce, otp: this.#root.otp } };
      case "PUT sys/generate-root/update":
        return this.#updateRoot(input, storage);
    }
    return undefined;
  }

  #startRekey(n: number, t: number): VaultResponse {
    if (this.#rekey !== undefined) return REFUSED;
    this.#rekey = { nonce: randomUUID(), n, t, entered: [] };
    return { status: 200, body: { started: true, nonce: this.#rekey.nonce } };
  }

  #updateRekey({ key, nonce }: Record<string, string | number>, storage: Storage): VaultResponse {
    const rekey = this.#rekey;
    if (rekey === undefined || rekey.fresh || nonce !== rekey.nonce) return REFUSED;
    rekey.entered.push(Buffer.from(String(key), "base64"));
    if (rekey.entered.length < storage.t) return { status: 200, body: { complete: false } };
    if (!combineShares(rekey.entered.splice(0)).equals(storage.rootKey)) return WRONG_KEY;
    const rootKey = randomBytes(32);
    const shares = splitSecret(rootKey, rekey.n, rekey.t);
    rekey.fresh = { nonce: randomUUID(), shares, rootKey };
    for (const share of shares) this.#secrets.push(share.toString("hex"), share.toString("base64"));
    const keys = shares.map((share) => share.toString("base64"));
    return { status: 200, body: { complete: true, keys_base64: keys, verification_nonce: rekey.fresh.nonce } };
  }

  #verifyRekey({ key, nonce }: Record<string, string | number>, storage: Storage): VaultResponse {
    const { fresh, entered, n, t } = this.#rekey ?? { entered: [] as Buffer[] };
    if (fresh === undefined || nonce !== fresh.nonce) return REFUSED;
    entered.push(Buffer.from(String(key), "base64"));
    if (entered.length < (t ?? 0)) return { status: 200, body: { complete: false } };
    if (!combineShares(entered.splice(0)).equals(fresh.rootKey)) return REFUSED;
    Object.assign(storage, { rootKey: fresh.rootKey, n, t });
    this.#rekey = undefined;
    return { status: 200, body: { complete: true } };
  }

  #updateRoot({ key, nonce }: Record<string, string | number>, storage: Storage): VaultResponse {
    const root = this.#root;
    if (root === undefined || nonce !== root.nonce) return REFUSED;
    root.entered.push(Buffer.from(String(key), "base64"));
    if (root.entered.length < storage.t) return { status: 200, body: { complete: false } };
    this.#root = undefined;
    if (!combineShares(root.entered).equals(storage.rootKey)) return REFUSED;
    const token = `hvs.${randomBytes(12).toString("hex")}`;
    storage.tokens.add(token);
    storage.rootTokens.add(token);
    this.#secrets.push(token);
    const bytes = Buffer.from(token).map((byte, at) => byte ^ root.otp.charCodeAt(at));
    const encoded = Buffer.from(bytes).toString("base64").replace(/=+$/, "");
    return { status: 200, body: { complete: true, encoded_token: encoded } };
  }
}
