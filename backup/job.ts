import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EXIT, UserError } from "../errors.ts";
import type { Effects } from "./effects.ts";
import { layout, type Layout, type Roots } from "./paths.ts";
import { parsePlan, type Plan } from "./plan.ts";
import { isOurs, openRepository } from "./repository.ts";
import { Restic, type Repository } from "./restic.ts";

/** What the job was given as files. */
export interface Credentials {
  readonly offsitePassword: string;
  /** absent where the offsite is not ours */
  readonly offsiteCa?: string;
  readonly postgresPassword: string;
  readonly s3AccessKey: string;
  readonly s3SecretKey: string;
  /** of the forge's account that owns the canary's repository and nothing else */
  readonly forgePassword: string;
  readonly vault: { readonly roleId: string; readonly secretId: string };
}

/** Everything a run needs. */
export interface Job {
  readonly plan: Plan;
  readonly credentials: Credentials;
  readonly roots: Roots;
  readonly layout: Layout;
  readonly effects: Effects;
  readonly repository: Repository;
  readonly restic: Restic;
  /** PostgreSQL's password, in the form its clients read */
  readonly passwordFile: string;
  /** id of this run */
  readonly run: string;
}

/** Plan and credentials as they were delivered. @throws UserError (config) */
export async function readDelivered(roots: Roots): Promise<{ plan: Plan; credentials: Credentials }> {
  const text = async (name: string): Promise<string> => {
    const path = join(roots.files, name);
    return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      throw new UserError(`${path}: ${error.code ?? error.message}`, "pulumi up delivers it", EXIT.config);
    });
  };
  const plan = parsePlan(join(roots.files, "plan.json"), await text("plan.json"));
  return {
    plan,
    credentials: {
      offsitePassword: await text("offsite_password"),
      ...(isOurs(plan.offsite) ? { offsiteCa: await text("offsite_ca.pem") } : {}),
      postgresPassword: await text("postgres_password"),
      s3AccessKey: await text("s3_access_key"),
      s3SecretKey: await text("s3_secret_key"),
      forgePassword: await text("forge_password"),
      vault: { roleId: await text("vault_role_id"), secretId: await text("vault_secret_id") },
    },
  };
}

/**
 * Puts together what a run needs.
 *
 * @param temporary a directory in memory
 */
export async function openJob(
  roots: Roots,
  { plan, credentials }: Awaited<ReturnType<typeof readDelivered>>,
  effects: Effects,
  temporary: string,
): Promise<Job> {
  const passwordFile = join(temporary, "pgpass");
  await mkdir(temporary, { recursive: true });
  await writeFile(passwordFile, `*:*:*:*:${credentials.postgresPassword}\n`, { mode: 0o600 });
  const paths = layout(roots);
  const directories = { files: roots.files, cache: paths.cache, temporary };
  const repository = await openRepository(plan.offsite, credentials.offsitePassword, directories);
  const restic = new Restic(effects, repository);
  return { plan, credentials, roots, layout: paths, effects, repository, restic, passwordFile, run: effects.newId() };
}
