import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { EXIT, UserError } from "../errors.ts";
import type { Effects } from "./effects.ts";
import type { Roots } from "./paths.ts";
import type { Plan } from "./plan.ts";
import { hasRepository, noRepository } from "./probe.ts";
import { SNAPSHOT_HOST, type Repository, type Restic } from "./restic.ts";

/** Tag of the snapshots by which VMs take a repository over from each other. */
const TAKE_OVER = "generation";
const SECONDS = 300;

/** Whether it is on a host of ours, which creates it and tells VMs apart; the other kind is left to this. */
export const isOurs = ({ url }: Pick<Repository, "url">): boolean => url.startsWith("rest:");

/**
 * Where the repository is and how to open it.
 *
 * @param directories `temporary` is in memory and exists
 */
export async function openRepository(
  offsite: Plan["offsite"],
  password: string,
  directories: Pick<Roots, "files"> & { readonly cache: string; readonly temporary: string },
): Promise<Repository> {
  const { files, cache, temporary } = directories;
  const common = { ...offsite, password, passwordFile: join(files, "restic_password"), cacheDirectory: cache };
  if (isOurs(offsite)) return { ...common, caFile: join(files, "offsite_ca.pem") };
  // The image of the database has no public CAs, and Node brings them.
  const caFile = join(temporary, "public-ca.pem");
  await writeFile(caFile, rootCertificates.join("\n"));
  return { ...common, caFile };
}

/** What {@link claimRepository} and {@link requireOwnRepository} work with. */
interface Claim {
  readonly effects: Effects;
  readonly restic: Restic;
  readonly repository: Repository;
  readonly plan: Pick<Plan, "vmId" | "readOnly">;
}

/**
 * Makes a repository that somebody else keeps this VM's own: creates it where that was asked for, and writes down that
 * this VM is the one that backs up there from now on.
 *
 * @param request `fresh` is the only one that creates a repository: anything else would take one that was wiped for new
 * @throws UserError (refused) where there is none, or this VM was replaced by another
 */
export async function claimRepository(claim: Claim, request: string): Promise<void> {
  const { effects, plan, repository, restic } = claim;
  if (plan.readOnly) return;
  if (!(await hasRepository(repository))) {
    if (request !== "fresh") throw noRepository(repository);
    await restic.run(["init"], { timeoutSeconds: SECONDS });
    effects.report(`seed: created the repository ${repository.url}`);
  }
  const owners = await takeOvers(restic);
  if (owners[0] === plan.vmId) return;
  if (owners.includes(plan.vmId)) throw replaced(plan.vmId, owners[0] ?? "");
  const options = ["--json", "--host", SNAPSHOT_HOST, "--tag", TAKE_OVER, "--tag", `vm-${plan.vmId}`];
  const args = ["backup", ...options, "--stdin", "--stdin-filename", "generation.json"];
  await restic.run(args, { timeoutSeconds: SECONDS, input: `${JSON.stringify({ vmId: plan.vmId })}\n` });
}

/**
 * Whether this VM is the one that backs up there. A server of ours refuses the others; elsewhere a VM has to look itself,
 * or one that wakes up after it was replaced would write backups newer than those of its successor.
 *
 * @throws UserError (refused)
 */
export async function requireOwnRepository({ plan, repository, restic }: Omit<Claim, "effects">): Promise<void> {
  if (plan.readOnly) throw lent(repository);
  if (isOurs(repository)) return;
  const [owner = ""] = await takeOvers(restic);
  if (owner !== plan.vmId) throw replaced(plan.vmId, owner);
}

/** Ids of the VMs that took it over, the last one first. */
async function takeOvers(restic: Restic): Promise<string[]> {
  const found = await restic.snapshots(TAKE_OVER);
  return found.flatMap(({ tags }) => tags.flatMap((tag) => /^vm-([0-9a-f]{32})$/.exec(tag)?.[1] ?? []));
}

function lent({ url }: Repository): UserError {
  return new UserError(
    `offsite: ${url} is only read by this host: another one backs up there`,
    "this is a drill's",
    EXIT.refused,
  );
}

function replaced(vmId: string, owner: string): UserError {
  return new UserError(
    `offsite: ${owner === "" ? "no VM has" : `VM ${owner.slice(0, 8)} has`} taken the repository over, not this one (${vmId.slice(0, 8)})`,
    "turn this VM off if it was replaced; if it was not: pulumi up",
    EXIT.refused,
  );
}
