import { EXIT, UserError } from "../errors.ts";
import { type Effects, type VaultRequest, type VaultResponse, VaultUnavailable } from "./effects.ts";

/** What `sys/seal-status` tells; the same answer comes back for each share. */
export interface SealStatus {
  readonly type: string;
  readonly initialized: boolean;
  readonly sealed: boolean;
  /** shares that open it, of how many */
  readonly t: number;
  readonly n: number;
  readonly progress: number;
  readonly nonce: string;
  readonly version: string;
  readonly migration: boolean;
  /** known while it is unsealed */
  readonly clusterId: string | null;
}

/** For questions that are asked again and again: one that Vault leaves open must not use up the time of all. */
const QUESTION_SECONDS = 5;

/** The calls of Vault's API that the helper needs, on Vault 1.21 and 2.x alike. */
export class VaultClient {
  readonly #send: Effects["requestVault"];

  constructor(send: Effects["requestVault"]) {
    this.#send = send;
  }

  async sealStatus(): Promise<SealStatus> {
    const path = "sys/seal-status";
    const response = await this.#send({ method: "GET", path, timeoutSeconds: QUESTION_SECONDS });
    // Vault answers 5xx for a moment while its storage comes up.
    if (response.status >= 500) throw new VaultUnavailable(`${path}: ${refusal(response)}`);
    return sealStatus(accepted(path, response));
  }

  /** Whether it is unsealed and leads its (one-node) cluster, so that it takes requests. */
  async isActive(): Promise<boolean> {
    return (await this.#send({ method: "GET", path: "sys/health", timeoutSeconds: QUESTION_SECONDS })).status === 200;
  }

  /** Drops shares that were entered before. It is a request of its own: with `key` beside it, Vault ignores the key. */
  async resetUnseal(): Promise<void> {
    await this.#call({ method: "PUT", path: "sys/unseal", body: { reset: true } });
  }

  /** Enters one share; `undefined` where Vault takes the shares entered so far for wrong. */
  async enterShare(share: Buffer): Promise<SealStatus | undefined> {
    const response = await this.#send({ method: "PUT", path: "sys/unseal", body: { key: share.toString("base64") } });
    return response.status === 400 ? undefined : sealStatus(accepted("sys/unseal", response));
  }

  /** A read with a token; `undefined` where there is nothing. */
  async read(token: string, path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    const response = await this.#send({ method: "GET", path, token });
    return response.status === 404 ? undefined : accepted(path, response).body;
  }

  async write(token: string, path: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    return (await this.#call({ method: "POST", path, token, body })).body;
  }

  /** Logs in with an AppRole; `undefined` where Vault does not know these credentials. */
  async logIn(roleId: string, secretId: string): Promise<string | undefined> {
    const path = "auth/approle/login";
    const response = await this.#send({ method: "POST", path, body: { role_id: roleId, secret_id: secretId } });
    // 400: wrong credentials; 403 and 404: no such auth method.
    if ([400, 403, 404].includes(response.status)) return undefined;
    const { auth } = accepted(path, response).body as { auth?: { client_token?: unknown } };
    if (typeof auth?.client_token !== "string") throw unexpected(path, "no token in the answer");
    return auth.client_token;
  }

  async isTokenAlive(token: string): Promise<boolean> {
    const path = "auth/token/lookup-self";
    const response = await this.#send({ method: "GET", path, token });
    if (response.status === 403) return false;
    accepted(path, response);
    return true;
  }

  async revokeSelf(token: string): Promise<void> {
    await this.#call({ method: "POST", path: "auth/token/revoke-self", token, body: {} });
  }

  /** The status code of a request that may be refused. */
  async statusOf(request: VaultRequest): Promise<number> {
    return (await this.#send(request)).status;
  }

  /** Any request that must succeed; its answer. */
  async call(request: VaultRequest): Promise<Readonly<Record<string, unknown>>> {
    return (await this.#call(request)).body;
  }

  /** As {@link call}; `undefined` where Vault does not take what was sent, wrong shares above all. */
  async tryCall(request: VaultRequest): Promise<Readonly<Record<string, unknown>> | undefined> {
    const response = await this.#send(request);
    return isRefusal(response) ? undefined : accepted(request.path, response).body;
  }

  async #call(request: VaultRequest): Promise<VaultResponse> {
    return accepted(request.path, await this.#send(request));
  }
}

/** Shares that combine to a wrong key are refused with 400 or, by sys/rekey, with the error of the failed decryption. */
function isRefusal({ status, body }: VaultResponse): boolean {
  return status === 400 || (status === 500 && /message authentication failed/.test(JSON.stringify(body)));
}

function accepted(path: string, response: VaultResponse): VaultResponse {
  if (response.status >= 200 && response.status < 300) return response;
  throw unexpected(path, refusal(response));
}

/** `answered 503: Vault is sealed` */
function refusal({ status, body }: VaultResponse): string {
  const [first] = Array.isArray(body["errors"]) ? (body["errors"] as unknown[]) : [];
  return typeof first === "string" ? `answered ${status}: ${first.trim().slice(0, 200)}` : `answered ${status}`;
}

function sealStatus({ body }: VaultResponse): SealStatus {
  const number = (name: string): number => (typeof body[name] === "number" ? body[name] : 0);
  const text = (name: string): string => (typeof body[name] === "string" ? body[name] : "");
  if (typeof body["sealed"] !== "boolean") throw unexpected("sys/seal-status", "not an answer of Vault");
  return {
    type: text("type"),
    initialized: body["initialized"] === true,
    sealed: body["sealed"],
    t: number("t"),
    n: number("n"),
    progress: number("progress"),
    nonce: text("nonce"),
    version: text("version"),
    migration: body["migration"] === true,
    clusterId: text("cluster_id") || null,
  };
}

function unexpected(path: string, what: string): UserError {
  return new UserError(`vault: ${path}: ${what}`, "docker logs --tail 50 vault (on the VM)", EXIT.failed);
}
