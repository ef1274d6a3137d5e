import { EXIT, UserError } from "../errors.ts";
import type { AppRoleCredentials } from "../keys/derive.ts";
import { asProgram } from "./bootstrap.ts";
import { waitForMount } from "./mount-upgrade.ts";
import type { Tools } from "./unseal.ts";
import type { VaultClient } from "./vault-client.ts";

// What Vault refuses to create twice: audit devices, the KV store, logins, secret ids. A provider that has lost its
// state would stop at each of them, so they are made here, where looking first costs nothing. Everything that Vault
// overwrites without complaint (policies, roles, secrets) is the Pulumi program's.

/** Path of the KV store that the program mirrors its secrets into. */
export const STORE = "foundation";

/** Credentials by the name of the AppRole. */
export type Readers = Readonly<Record<string, AppRoleCredentials>>;

/** What a program builds on, beside what every Vault of a foundation has. */
export interface Wanted {
  /** AppRoles that need a secret id; their policies are the Pulumi program's */
  readonly readers: Readers;
  /** path below `auth/` where jobs of the forge log in by JWT */
  readonly jobLogin?: string | undefined;
}

/** One thing that is there or is not. */
interface Piece {
  readonly name: string;
  isThere(): Promise<boolean>;
  create(): Promise<void>;
}

/**
 * Brings Vault to: two audit devices, the KV store, the login of jobs, a secret id for each reader. Looks before it
 * creates, and takes nothing away.
 *
 * @returns what was created, in order
 * @throws UserError (refused) where something else is at the path of the store or of the login; (failed) without the
 *   AppRole
 */
export async function layGroundwork(
  { vault, effects }: Pick<Tools, "vault" | "effects">,
  credentials: AppRoleCredentials,
  wanted: Wanted,
): Promise<string[]> {
  return await asProgram(vault, credentials, async (token) => {
    const created: string[] = [];
    for (const piece of pieces(vault, token, wanted)) {
      if (await piece.isThere()) continue;
      effects.log(`vault: making the ${piece.name}`);
      await piece.create();
      created.push(piece.name);
    }
    if (created.includes(STORE_NAME)) await waitForMount({ vault, effects }, token, STORE);
    return created;
  });
}

/** What {@link layGroundwork} would create. */
export async function missingGroundwork(
  { vault }: Pick<Tools, "vault">,
  credentials: AppRoleCredentials,
  wanted: Wanted,
): Promise<string[]> {
  return await asProgram(vault, credentials, async (token) => {
    const missing: string[] = [];
    for (const piece of pieces(vault, token, wanted)) if (!(await piece.isThere())) missing.push(piece.name);
    return missing;
  });
}

const STORE_NAME = `KV store ${STORE}`;

function pieces(vault: VaultClient, token: string, { readers, jobLogin }: Wanted): Piece[] {
  return [
    // Two: while one is being replaced or its disk is full, Vault still answers. First and one after the other: while a
    // device is being enabled, Vault answers 500 to writes that it has carried out.
    auditDevice(vault, token, "file", "/vault/logs/audit.log"),
    auditDevice(vault, token, "log", "stdout"),
    keyValueStore(vault, token),
    ...(jobLogin === undefined ? [] : [loginOfJobs(vault, token, jobLogin)]),
    ...Object.entries(readers).map(([name, { secretId }]) => secretIdOf(vault, token, name, secretId)),
  ];
}

function auditDevice(vault: VaultClient, token: string, name: string, file: string): Piece {
  return {
    name: `audit device ${name}`,
    isThere: async () => (await list(vault, token, "sys/audit"))[`${name}/`] !== undefined,
    create: async () =>
      void (await vault.write(token, `sys/audit/${name}`, { type: "file", options: { file_path: file } })),
  };
}

function keyValueStore(vault: VaultClient, token: string): Piece {
  return {
    name: STORE_NAME,
    isThere: async () => {
      const found = (await list(vault, token, "sys/mounts"))[`${STORE}/`] as Mount | undefined;
      if (found === undefined || (found.type === "kv" && found.options?.version === "2")) return found !== undefined;
      throw new UserError(
        `vault: ${STORE}/ is a secret engine ${found.type}, not a KV store of version 2`,
        `vault secrets move ${STORE}/ ELSEWHERE/, then run again`,
        EXIT.refused,
      );
    },
    create: async () => {
      const description = "Secrets of the foundation";
      await vault.write(token, `sys/mounts/${STORE}`, { type: "kv", options: { version: "2" }, description });
    },
  };
}

interface Mount {
  readonly type: string;
  readonly options: { readonly version?: string } | null;
}

function loginOfJobs(vault: VaultClient, token: string, name: string): Piece {
  return {
    name: `login of jobs ${name}`,
    isThere: async () => {
      const found = (await list(vault, token, "sys/auth"))[`${name}/`] as { readonly type: string } | undefined;
      if (found === undefined || found.type === "jwt") return found !== undefined;
      throw new UserError(
        `vault: auth/${name}/ is a login by ${found.type}, not by JWT`,
        `vault auth move auth/${name}/ auth/ELSEWHERE/, then run again`,
        EXIT.refused,
      );
    },
    create: async () => {
      await vault.write(token, `sys/auth/${name}`, { type: "jwt", description: "Jobs of the forge" });
    },
  };
}

function secretIdOf(vault: VaultClient, token: string, name: string, secretId: string): Piece {
  const role = `auth/approle/role/${name}`;
  return {
    name: `secret id of ${name}`,
    isThere: async () => {
      if ((await vault.read(token, role)) === undefined) return false;
      const found = await vault.write(token, `${role}/secret-id/lookup`, { secret_id: secretId });
      return found["data"] !== undefined;
    },
    create: async () => {
      // A role that is not there yet may do nothing until the program gives it its policy.
      if ((await vault.read(token, role)) === undefined) await vault.write(token, role, { bind_secret_id: true });
      await vault.write(token, `${role}/custom-secret-id`, { secret_id: secretId });
    },
  };
}

async function list(vault: VaultClient, token: string, path: string): Promise<Readonly<Record<string, unknown>>> {
  const { data } = ((await vault.read(token, path)) ?? {}) as { data?: Record<string, unknown> };
  return data ?? {};
}
