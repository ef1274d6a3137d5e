import { UserError } from "../../../errors.ts";
import { loginToVault } from "../../vault-client.ts";
import type { Check } from "../check.ts";
import { CREDENTIAL_PATHS, type VerifyContext } from "../context.ts";

/** A reader gets what its policy allows and nothing else. */
export const secretStore: Check = {
  name: "vault",
  title: "Vault KV",
  async run(context) {
    const { http, sites, vault, forge } = context;
    const session = await loginToVault(http, `https://${sites.vault}`, vault.reader);
    try {
      const allowed = await session.read(CREDENTIAL_PATHS.forge);
      if (allowed["password"] !== forge.password) {
        throw new UserError(`foundation/${CREDENTIAL_PATHS.forge}: changed between two readings`, "run verify again");
      }
      const status = await session.probe(CREDENTIAL_PATHS.s3);
      if (status !== 403) {
        throw new UserError(
          `foundation/${CREDENTIAL_PATHS.s3}: HTTP ${status} for a reader that may not see it, expected 403`,
          "compare the policy with the program's: vault policy read forgejo",
        );
      }
    } finally {
      await session.end();
    }
    return `role forgejo reads foundation/${CREDENTIAL_PATHS.forge} and is denied foundation/${CREDENTIAL_PATHS.s3}`;
  },
};

/** What must not be reachable through the public door: whoever can seal or rekey Vault can stop it. */
const REFUSED = [
  "sys/init",
  "sys/unseal",
  "sys/seal",
  "sys/step-down",
  "sys/rekey/init",
  "sys/rekey/update",
  "sys/rekey-recovery-key/init",
  "sys/generate-root/attempt",
  "sys/generate-root/update",
  "sys/storage/raft/configuration",
  "sys/storage/raft/snapshot",
  "sys/storage/raft/snapshot-force",
  "sys/storage/raft/join",
  "sys/raw/core/keyring",
];
const METHODS = ["GET", "PUT"];
/** Spellings of a path that a filter may overlook and Vault still understand. */
const SPELLINGS: readonly ((path: string) => string)[] = [
  (path) => `/v1/${path}`,
  (path) => `/v1/${path}/`,
  (path) => `/v1/${path}?x=1`,
  (path) => `/v1//${path}`,
  (path) => `//v1/${path}`,
  (path) => `/v1/${path.replaceAll("/", "//")}`,
  (path) => `/v1/${path.replaceAll("/", "%2f")}`,
  (path) => `/v1/${path.replace("sys", "s%79s")}`,
  (path) => `/V1/${path.toUpperCase()}`,
];

/** Caddy itself refuses the paths that belong to the operator's tunnel, in every spelling. */
export const refusedVaultPaths: Check = {
  name: "vault-paths",
  title: "Vault paths refused",
  async run(context) {
    const probes = REFUSED.flatMap((path) => SPELLINGS.map((spell) => spell(path)));
    const passed: string[] = [];
    const total = probes.length * METHODS.length;
    const probe = async () => {
      for (let path = probes.pop(); path !== undefined; path = probes.pop()) {
        for (const method of METHODS) {
          const status = await reach(context, method, path);
          if (status !== undefined) passed.push(`${method} ${path}: HTTP ${status}`);
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, probe));
    if (passed.length > 0) {
      throw new UserError(
        `${passed.length} reach Vault from outside: ${passed.slice(0, 5).join("; ")}`,
        "the web server has to refuse them: see caddyfile() in components/caddy.ts",
      );
    }
    return `${REFUSED.length} paths in ${SPELLINGS.length} spellings, ${total} requests, none came through`;
  },
};

/** The status where Vault has handled the request; undefined where the web server refused it or Vault has no such path. */
async function reach({ http, sites }: VerifyContext, method: string, path: string): Promise<number | undefined> {
  const { status, headers } = await http(method, `https://${sites.vault}${path}`);
  // Vault's own refusals would be no protection: they depend on a token or on Vault's state.
  const fromVault = headers["cache-control"] === "no-store";
  if (status === 404 || (status === 403 && !fromVault)) return undefined;
  // A redirect to a clean spelling is harmless: that one is tried as well.
  return status >= 300 && status < 400 ? undefined : status;
}
