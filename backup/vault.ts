import { readFile, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { verifySnapshot } from "../unseal-helper/snapshot-archive.ts";
import { leaveCanary } from "./canary.ts";
import { checkVaultPart, type Degradation, type VaultPart } from "./commit.ts";
import type { Effects } from "./effects.ts";
import { replaceFile } from "./files.ts";
import type { Job } from "./job.ts";

const UNSEAL = "npx foundation vault unseal";
/** Key of the canary in the KV store; all that the job may write there. */
const CANARY_PATH = "foundation/data/backup/canary";
const status = z.object({
  initialized: z.boolean(),
  sealed: z.boolean(),
  version: z.string(),
  n: z.int(),
  t: z.int(),
  cluster_id: z.string().optional(),
});

/** Vault as far as it could be captured. */
export interface CapturedVault {
  readonly part: VaultPart | null;
  readonly degraded: readonly Degradation[];
}

/**
 * Takes a snapshot of Vault, with the run's id in it, and proves it whole; only then it replaces the former one.
 *
 * @throws UserError where Vault is sealed, does not answer, or its snapshot is not whole: the former one stays
 */
export async function captureVault(job: Job): Promise<CapturedVault> {
  const { effects, roots, layout } = job;
  const seal = await openStatus(job);
  const epoch = await readEpoch(roots.vault);
  const token = await logIn(job);
  const target = layout.vaultSnapshot;
  const fresh = `${target}.${job.run}.new`;
  await mkdir(dirname(target), { recursive: true });
  try {
    const body = JSON.stringify({ data: { run: job.run } });
    const degraded = await leaveCanary("Vault", () => request(job, "POST", CANARY_PATH, token, body));
    const taken = effects.now().toISOString();
    await download(job, token, fresh);
    const { bytes, sha256 } = await verifySnapshot(fresh);
    const clusterId = seal.cluster_id ?? "";
    const { version, n, t } = seal;
    const part = checkVaultPart({ clusterId, version, epoch, n, t, bytes, sha256, taken });
    await rename(fresh, target);
    await replaceFile(layout.vaultFacts, `${JSON.stringify(part, undefined, 2)}\n`);
    return { part, degraded };
  } finally {
    await rm(fresh, { force: true });
    await logOut(job, token);
  }
}

/** Whether Vault is open and has the job's role. */
export async function letsIn(job: Job): Promise<boolean> {
  try {
    await openStatus(job);
    await logOut(job, await logIn(job));
    return true;
  } catch {
    // The run itself says why.
    return false;
  }
}

/** The id that is under the canary's key. @throws UserError where Vault is sealed or has none */
export async function readVaultCanary(job: Job): Promise<string> {
  await openStatus(job);
  const token = await logIn(job);
  const answer = await request(job, "GET", CANARY_PATH, token).finally(() => logOut(job, token));
  return (JSON.parse(answer) as { data?: { data?: { run?: string } } }).data?.data?.run ?? "none";
}

/**
 * The snapshot of an earlier run. It is kept whatever its age: while Vault is sealed nothing in it changes, and an old
 * one brings back more than none.
 */
export async function formerVault({ layout }: Pick<Job, "layout">): Promise<VaultPart | null> {
  const facts = await readFile(layout.vaultFacts, "utf8").catch(() => undefined);
  if (facts === undefined) return null;
  const part = parseFacts(facts);
  if (part === null) return null;
  const { sha256 } = await verifySnapshot(layout.vaultSnapshot).catch(() => ({ sha256: "" }));
  // The facts and the snapshot are two files; a run that ended between them left facts of the one before.
  return sha256 === part.sha256 ? part : null;
}

function parseFacts(text: string): VaultPart | null {
  try {
    return checkVaultPart(JSON.parse(text));
  } catch {
    return null;
  }
}

async function openStatus(job: Job): Promise<z.infer<typeof status>> {
  const seal = await readSeal(job);
  if (!seal.initialized) throw new UserError("vault: not initialised", "npx foundation up");
  if (seal.sealed) throw new UserError("vault: sealed", UNSEAL);
  return seal;
}

/** Whether it is open, and which one it is. */
export async function readSeal(job: Job): Promise<z.infer<typeof status>> {
  const parsed = status.safeParse(JSON.parse(await request(job, "GET", "sys/seal-status")));
  if (parsed.success) return parsed.data;
  throw new UserError("vault: sys/seal-status: answered something else", "docker logs --tail 50 vault (on the VM)");
}

async function readEpoch(directory: string): Promise<string> {
  const marker = await readFile(join(directory, ".foundation-epoch"), "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new UserError(
      `vault: which shares open it is not known: ${error.code ?? error.message}`,
      "npx foundation up",
    );
  });
  // `EPOCH STORED`: the id, and how far the helper that wrote it had come.
  return marker.trim().split(" ")[0] ?? "";
}

async function logIn(job: Job): Promise<string> {
  const { roleId, secretId } = job.credentials.vault;
  const body = JSON.stringify({ role_id: roleId, secret_id: secretId });
  const answer = JSON.parse(await request(job, "POST", "auth/approle/login", undefined, body)) as {
    auth?: { client_token?: string };
  };
  return answer.auth?.client_token ?? "";
}

async function logOut(job: Job, token: string): Promise<void> {
  await request(job, "POST", "auth/token/revoke-self", token).catch(() => undefined);
}

async function download(job: Job, token: string, into: string): Promise<void> {
  await request(job, "GET", "sys/storage/raft/snapshot", token, undefined, into);
}

/** @returns the body of a successful answer */
async function request(
  { effects, plan }: { effects: Effects; plan: Job["plan"] },
  method: "GET" | "POST",
  path: string,
  token?: string,
  body?: string,
  into?: string,
): Promise<string> {
  const headers = { "X-Vault-Request": "true", ...(token === undefined ? {} : { "X-Vault-Token": token }) };
  const timeoutSeconds = into === undefined ? 15 : 300;
  const url = `${plan.endpoints.vault}/v1/${path}`;
  try {
    const answer = await effects.request({ method, url, headers, body, into, timeoutSeconds });
    if (answer.status < 300) return answer.body;
    throw new UserError(`vault: ${path}: answered ${String(answer.status)}`, "docker logs --tail 50 vault (on the VM)");
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UserError(`vault: ${path}: ${code ?? message}`, "docker logs --tail 50 vault (on the VM)");
  }
}
