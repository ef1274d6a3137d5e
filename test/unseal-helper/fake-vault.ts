import { randomBytes, randomUUID } from "node:crypto";
import type { VaultRequest, VaultResponse } from "../../unseal-helper/effects.ts";
import { combineShares } from "../../unseal-helper/shamir.ts";
import { FakeCeremonies } from "./fake-ceremonies.ts";
import { FakeGroundwork } from "./fake-groundwork.ts";
import { splitSecret } from "./shamir-split.ts";

/** What lies in the data volume. */
export interface Storage {
  rootKey: Buffer;
  n: number;
  t: number;
  clusterId: string;
  /** root and role tokens that are alive */
  tokens: Set<string>;
  /** those of sys/init and generate-root, dead or alive */
  rootTokens: Set<string>;
  /** whether anything was written with a token: what must never be wiped */
  hasData: boolean;
  approle: boolean;
  policies: Map<string, string>;
  roleId: string;
  secretIds: Set<string>;
  groundwork: FakeGroundwork;
  /** further AppRoles: secret ids by role id */
  roles: Map<string, string>;
  /** the KV store `foundation`, by path */
  values: Map<string, object>;
}

/** A copy that shares nothing with the original. */
export function copyStorage<T extends Storage | undefined>(storage: T): T {
  if (storage === undefined) return storage;
  const { groundwork, ...rest } = storage;
  const copy = Object.assign(new FakeGroundwork(), structuredClone({ ...groundwork }));
  return { ...structuredClone(rest), groundwork: copy } as T;
}

/** Vault's API as far as the helper uses it, with the real one's status codes. */
export class FakeVault {
  storage: Storage | undefined;
  sealed = true;
  nonce = "";
  entered: Buffer[] = [];
  /** every plaintext secret it ever handed out or was told */
  readonly secrets: string[] = [];
  version = "0.0.0";
  /** what it answers without a token from version 2 on; of its configuration, so it survives restarts */
  openFamilies: string[] = [];
  /** answers nothing until it is started anew */
  hangs = false;
  /** what snapshot-force puts in the place of everything */
  snapshot: Storage | undefined;
  readonly #ceremonies = new FakeCeremonies(this.secrets);

  /** A container start: nothing in memory survives. */
  restart(): void {
    this.sealed = true;
    this.hangs = false;
    this.entered = [];
    this.#ceremonies.reset();
  }

  answer({ method, path, token, body = {} }: VaultRequest): VaultResponse {
    const input = body as Record<string, string>;
    switch (`${method} ${path}`) {
      case "GET sys/seal-status":
        return this.#status();
      case "GET sys/health":
        return { status: this.storage === undefined ? 501 : this.sealed ? 503 : 200, body: {} };
      case "PUT sys/init":
        return this.#initialise(body as { secret_shares: number; secret_threshold: number });
      case "PUT sys/unseal":
        return this.#unseal(input);
      case "POST auth/approle/login":
        return this.#logIn(input);
    }
    if (this.storage === undefined || this.sealed) return refusal(503, "Vault is sealed");
    const [, family] = /^sys\/(rekey|generate-root)\//.exec(path) ?? [];
    if (family !== undefined) {
      const isOpen = this.version < "2" || this.openFamilies.includes(family);
      if (!isOpen) return refusal(403, "permission denied");
      return this.#ceremonies.answer({ method, path, body }, this.storage) ?? refusal(404, "unsupported path");
    }
    if (token === undefined || !this.storage.tokens.has(token)) return refusal(403, "permission denied");
    return this.#withToken(`${method} ${path}`, token, input, this.storage);
  }

  #status(): VaultResponse {
    const { n = 0, t = 0, clusterId } = this.storage ?? {};
    const open = this.sealed ? {} : { cluster_id: clusterId };
    const progress = this.entered.length;
    const nonce = progress > 0 ? this.nonce : "";
    const initialized = this.storage !== undefined;
    const body = {
      type: "shamir",
      initialized,
      sealed: this.sealed,
      t,
      n,
      progress,
      nonce,
      version: this.version,
      ...open,
    };
    return { status: 200, body };
  }

  #initialise({
    secret_shares: n,
    secret_threshold: t,
  }: {
    secret_shares: number;
    secret_threshold: number;
  }): VaultResponse {
    if (this.storage !== undefined) return refusal(400, "Vault is already initialized");
    const rootToken = `hvs.${randomBytes(18).toString("base64url")}`;
    this.storage = {
      rootKey: randomBytes(32),
      n,
      t,
      clusterId: randomUUID(),
      tokens: new Set([rootToken]),
      rootTokens: new Set([rootToken]),
      hasData: false,
      approle: false,
      policies: new Map(),
      roleId: "",
      secretIds: new Set(),
      groundwork: new FakeGroundwork(),
      roles: new Map(),
      values: new Map(),
    };
    const shares = splitSecret(this.storage.rootKey, n, t);
    for (const share of shares) this.secrets.push(share.toString("hex"), share.toString("base64"));
    this.secrets.push(rootToken, Buffer.from(rootToken).toString("base64"));
    return {
      status: 200,
      body: { keys_base64: shares.map((share) => share.toString("base64")), root_token: rootToken },
    };
  }

  #unseal({ key, reset }: Record<string, string | boolean>): VaultResponse {
    if (this.storage === undefined) return refusal(400, "Vault is not initialized");
    if (reset) this.entered = [];
    if (!reset && this.sealed) {
      if (this.entered.length === 0) this.nonce = randomUUID();
      this.entered.push(Buffer.from(String(key), "base64"));
      if (this.entered.length === this.storage.t) {
        const entered = this.entered.splice(0);
        if (!combineShares(entered).equals(this.storage.rootKey)) return refusal(400, "failed to unseal: invalid key");
        this.sealed = false;
      }
    }
    return this.#status();
  }

  #logIn({ role_id: roleId, secret_id: secretId = "" }: Record<string, string>): VaultResponse {
    if (this.storage === undefined || this.sealed) return refusal(503, "Vault is sealed");
    if (!this.storage.approle) return refusal(403, "permission denied");
    const { roleId: known, secretIds, roles, tokens } = this.storage;
    const isKnown = roleId === known ? secretIds.has(secretId) : roles.get(roleId ?? "") === secretId;
    if (!isKnown) return refusal(400, "invalid role or secret ID");
    const token = `hvs.${randomBytes(18).toString("base64url")}`;
    tokens.add(token);
    this.secrets.push(token);
    return { status: 200, body: { auth: { client_token: token } } };
  }

  /** Vault answers, then seals itself. */
  #restore(token: string, storage: Storage): VaultResponse {
    if (!storage.rootTokens.has(token)) return refusal(403, "permission denied");
    if (this.snapshot === undefined) return refusal(400, "no snapshot");
    this.storage = copyStorage(this.snapshot);
    this.sealed = true;
    return { status: 204, body: {} };
  }

  #withToken(call: string, token: string, input: Record<string, string>, storage: Storage): VaultResponse {
    const role = "POST auth/approle/role/pulumi";
    if (call === "GET auth/token/lookup-self") return { status: 200, body: { data: { accessor: `a-${token}` } } };
    if (call === "GET auth/token/accessors?list=true") {
      return { status: 200, body: { data: { keys: [...storage.tokens].map((known) => `a-${known}`) } } };
    }
    if (call === "POST auth/token/lookup-accessor") {
      const found = (input["accessor"] ?? "").slice(2);
      if (!storage.tokens.has(found)) return refusal(400, "invalid accessor");
      return { status: 200, body: { data: { path: storage.rootTokens.has(found) ? "auth/token/root" : "other" } } };
    }
    if (call === "POST auth/token/revoke-accessor") {
      storage.tokens.delete((input["accessor"] ?? "").slice(2));
      return { status: 204, body: {} };
    }
    if (call === "POST auth/token/create-orphan") {
      if (!storage.rootTokens.has(token)) return refusal(403, "permission denied");
      const limited = `hvs.${randomBytes(18).toString("base64url")}`;
      storage.tokens.add(limited);
      this.secrets.push(limited);
      return { status: 200, body: { auth: { client_token: limited } } };
    }
    if (call === "POST auth/token/revoke-self") {
      storage.tokens.delete(token);
      return { status: 204, body: {} };
    }
    if (call === "POST sys/storage/raft/snapshot-force") return this.#restore(token, storage);
    if (call === "GET sys/auth") {
      const logins = Object.fromEntries(storage.groundwork.logins);
      return { status: 200, body: { data: { ...(storage.approle ? { "approle/": {} } : {}), ...logins } } };
    }
    if (call === `${role}/secret-id/lookup`) {
      const known = storage.secretIds.has(input["secret_id"] ?? "");
      return known ? { status: 200, body: { data: {} } } : { status: 204, body: {} };
    }
    const answer = storage.groundwork.answer(call, input);
    if (answer !== undefined) {
      storage.hasData ||= !call.startsWith("GET ");
      return answer;
    }
    if (call.startsWith("GET foundation/")) return readValue(call.slice("GET foundation/".length), storage);
    storage.hasData = true;
    if (call === "POST sys/auth/approle") {
      if (storage.approle) return refusal(400, "path is already in use at approle/");
      storage.approle = true;
    } else if (call === "POST sys/policies/acl/pulumi") storage.policies.set("pulumi", input["policy"] ?? "");
    else if (call === `${role}/role-id`) storage.roleId = input["role_id"] ?? "";
    else if (call === `${role}/custom-secret-id`) {
      if (storage.secretIds.has(input["secret_id"] ?? "")) return refusal(500, "SecretID is already registered");
      storage.secretIds.add(input["secret_id"] ?? "");
    } else if (call !== role) return refusal(404, "unsupported path");
    return { status: 204, body: {} };
  }
}

/** A KV store of version 2, without folders. */
function readValue(path: string, { values }: Storage): VaultResponse {
  if (path === "metadata/?list=true") {
    return values.size === 0 ? refusal(404, "") : { status: 200, body: { data: { keys: [...values.keys()].sort() } } };
  }
  const data = values.get(path.replace(/^data\//, ""));
  return data === undefined ? refusal(404, "") : { status: 200, body: { data: { data } } };
}

function refusal(status: number, error: string): VaultResponse {
  return { status, body: { errors: [error] } };
}
