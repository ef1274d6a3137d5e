import type { VaultResponse } from "../../unseal-helper/effects.ts";

/** Audit devices, mounts, logins and AppRoles of the fake Vault: it refuses what the real one refuses to create twice. */
export class FakeGroundwork {
  /** type by path */
  readonly devices = new Map<string, string>();
  readonly mounts = new Map<string, { type: string; options: object | null }>([
    ["sys/", { type: "system", options: null }],
  ]);
  /** logins beside that by AppRole, type by path */
  readonly logins = new Map<string, { type: string }>();
  /** secret ids by role */
  readonly roles = new Map<string, Set<string>>();
  /** what was deleted, in order */
  readonly removed: string[] = [];
  /** how often a new mount answers 400 before it is ready */
  upgrading = 0;

  /** @returns `undefined` for what is none of its business */
  answer(call: string, input: Record<string, unknown>): VaultResponse | undefined {
    if (call === "GET sys/audit") return ok(Object.fromEntries(this.devices));
    if (call === "GET sys/mounts") return ok(Object.fromEntries(this.mounts));
    if (call === "GET foundation/config") return this.upgrading-- > 0 ? refusal(400, "Upgrading") : ok({});
    if (call === "GET auth/approle/role?list=true") return ok({ keys: ["pulumi", ...this.roles.keys()] });
    const [, policy] = /^DELETE sys\/policies\/acl\/([\w-]+)$/.exec(call) ?? [];
    if (policy !== undefined) return this.#remove(`policy ${policy}`);
    const [, gone] = /^DELETE auth\/approle\/role\/([\w-]+)$/.exec(call) ?? [];
    if (gone !== undefined) {
      this.roles.delete(gone);
      return this.#remove(`AppRole ${gone}`);
    }
    const [, kind, name = ""] = /^POST sys\/(audit|mounts|auth)\/(.+)$/.exec(call) ?? [];
    if (kind === "audit") return this.#enable(name, input);
    if (kind === "mounts") return this.#mount(name, input);
    if (kind === "auth" && name !== "approle") return this.#logInAt(name, input);
    const [, method, role = "", rest] = /^(GET|POST) auth\/approle\/role\/([\w-]+)(\/.*)?$/.exec(call) ?? [];
    return method === undefined || role === "pulumi" ? undefined : this.#role(method, role, rest, input);
  }

  /** As Vault: whether it was there or not. */
  #remove(what: string): VaultResponse {
    this.removed.push(what);
    return done;
  }

  #enable(name: string, { type }: Record<string, unknown>): VaultResponse {
    if (this.devices.has(`${name}/`)) return refusal(400, "path already in use");
    this.devices.set(`${name}/`, String(type));
    return done;
  }

  #mount(name: string, { type, options }: Record<string, unknown>): VaultResponse {
    if (this.mounts.has(`${name}/`)) return refusal(400, `path is already in use at ${name}/`);
    this.mounts.set(`${name}/`, { type: String(type), options: options as object });
    this.upgrading = 1;
    return done;
  }

  #logInAt(name: string, { type }: Record<string, unknown>): VaultResponse {
    if (this.logins.has(`${name}/`)) return refusal(400, `path is already in use at ${name}/`);
    this.logins.set(`${name}/`, { type: String(type) });
    return done;
  }

  #role(method: string, name: string, rest: string | undefined, input: Record<string, unknown>): VaultResponse {
    const known = this.roles.get(name);
    if (rest === undefined && method === "POST") {
      if (known === undefined) this.roles.set(name, new Set());
      return done;
    }
    if (known === undefined) return refusal(404, "");
    const secretId = String(input["secret_id"]);
    if (rest === undefined) return ok({});
    if (rest === "/secret-id/lookup") return known.has(secretId) ? ok({}) : done;
    if (known.has(secretId)) return refusal(500, "SecretID is already registered");
    known.add(secretId);
    return done;
  }
}

const done: VaultResponse = { status: 204, body: {} };
const ok = (data: object): VaultResponse => ({ status: 200, body: { data } });
const refusal = (status: number, error: string): VaultResponse => ({ status, body: { errors: [error] } });
