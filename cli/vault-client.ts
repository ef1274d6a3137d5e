import { EXIT, UserError } from "../errors.ts";
import type { AppRoleCredentials } from "../keys/derive.ts";
import type { Http, HttpResponse } from "./http.ts";

/** A login at Vault. */
export interface VaultSession {
  /**
   * The values at a path below `foundation/`.
   *
   * @throws UserError where the policy or Vault does not give them
   */
  read(path: string): Promise<Record<string, string>>;
  /**
   * A new secret id of an AppRole, which only the Pulumi program's may ask for.
   *
   * @param ttl `30m`, `1h`
   */
  issueSecretId(role: string, ttl: string): Promise<string>;
  /** HTTP status of reading a path, whatever it is. */
  probe(path: string): Promise<number>;
  /** Makes the token worthless. */
  end(): Promise<void>;
}

/**
 * Logs in with an AppRole.
 *
 * @param address origin of Vault, e.g. `https://vault.example.org`
 * @throws UserError (attention) while Vault is sealed
 */
export async function loginToVault(http: Http, address: string, role: AppRoleCredentials): Promise<VaultSession> {
  const login = await http("POST", `${address}/v1/auth/approle/login`, {
    body: { role_id: role.roleId, secret_id: role.secretId },
  });
  if (login.status === 503) {
    throw new UserError(`${address}: Vault is sealed`, "npx foundation vault unseal", EXIT.attention);
  }
  if (login.status !== 200) {
    throw new UserError(
      `${address}: Vault refuses the login: ${reasonOf(login)}`,
      "is this the key file of the foundation that runs there? pulumi up puts the roles in place",
    );
  }
  const { auth } = JSON.parse(login.body.toString()) as { auth: { client_token: string } };
  const headers = { "x-vault-token": auth.client_token };
  const get = (path: string) => http("GET", `${address}/v1/foundation/data/${path}`, { headers });
  return {
    read: async (path) => {
      const response = await get(path);
      if (response.status !== 200) {
        throw new UserError(
          `${address}: foundation/${path}: ${response.status === 404 ? "no such secret" : reasonOf(response)}`,
          "pulumi up puts every secret of the foundation there",
        );
      }
      return (JSON.parse(response.body.toString()) as { data: { data: Record<string, string> } }).data.data;
    },
    issueSecretId: async (role, ttl) => {
      const path = `auth/approle/role/${role}/secret-id`;
      const response = await http("POST", `${address}/v1/${path}`, { headers, body: { ttl } });
      if (response.status !== 200)
        throw new UserError(`${address}: ${path}: ${reasonOf(response)}`, "pulumi up puts the roles in place");
      return (JSON.parse(response.body.toString()) as { data: { secret_id: string } }).data.secret_id;
    },
    probe: async (path) => (await get(path)).status,
    end: async () => {
      await http("POST", `${address}/v1/auth/token/revoke-self`, { headers });
    },
  };
}

/** Vault's own words, which never repeat a credential, or the status where it has none. */
function reasonOf({ status, body }: HttpResponse): string {
  try {
    const { errors } = JSON.parse(body.toString()) as { errors?: string[] };
    return errors?.join("; ").trim() || `HTTP ${status}`;
  } catch {
    return `HTTP ${status}`;
  }
}
