import * as pulumi from "@pulumi/pulumi";
import { Endpoint } from "@pulumi/vault/generic/index.js";

/** Path below `auth/` where the unseal helper has enabled the login of jobs. */
export const JOB_LOGIN = "actions";

/** What a job's token lasts; it is given back long before. */
const JOB_SECONDS = 600;

/** Jobs of the forge that get something. */
export interface TrustedJobs {
  readonly organisation: string;
  /** of the organisation; every one where the list is empty */
  readonly repositories: readonly string[];
  /** `refs/heads/main`, `refs/tags/v*` */
  readonly refs: readonly string[];
  /** what starts a workflow, by the forge's name of it */
  readonly events: readonly string[];
}

/**
 * Tells Vault who signs for jobs. The forge does it with a key of ours, so Vault has to ask nobody: neither waits for
 * the other, and a rebuild changes nothing.
 *
 * @param site host name of the forge
 */
export function jobSigner(site: string, publicKeyPem: string, child: pulumi.CustomResourceOptions): void {
  new Endpoint(
    "job-login",
    {
      path: `auth/${JOB_LOGIN}/config`,
      dataJson: JSON.stringify({
        bound_issuer: `https://${site}/api/actions`,
        jwt_supported_algs: ["EdDSA"],
        jwt_validation_pubkeys: [publicKeyPem],
      }),
      disableRead: true,
      // Vault has no way to take it back.
      disableDelete: true,
    },
    child,
  );
}

/**
 * A role that jobs log in to with the forge's word about them.
 *
 * Not bound to `ref_protected`: Forgejo says "false" of every branch.
 *
 * @param policies names of what it may do
 * @param site host name of Vault, to whose URL the forge's word has to be addressed
 */
export function jobRole(
  name: string,
  policies: readonly pulumi.Input<string>[],
  { organisation, repositories, refs, events }: TrustedJobs,
  site: string,
  child: pulumi.CustomResourceOptions,
): void {
  const from =
    repositories.length === 0
      ? { repository_owner: [organisation] }
      : { repository: repositories.map((repository) => `${organisation}/${repository}`) };
  new Endpoint(
    `job-role-${name}`,
    {
      path: `auth/${JOB_LOGIN}/role/${name}`,
      dataJson: pulumi.jsonStringify({
        bound_audiences: [`https://${site}`],
        bound_claims: { event_name: events, ref: refs, ...from },
        // For refs; what a repository is called has no * in it.
        bound_claims_type: "glob",
        // Into Vault's audit log.
        claim_mappings: { actor: "actor", event_name: "event_name", ref: "ref", run_id: "run_id", sha: "sha" },
        role_type: "jwt",
        token_max_ttl: JOB_SECONDS,
        token_policies: policies,
        token_ttl: JOB_SECONDS,
        user_claim: "repository",
      }),
      disableRead: true,
    },
    child,
  );
}

/**
 * The same for a forge that does not vouch for its jobs: an AppRole without a secret id. `foundation consumer ci-login`
 * issues one that ends.
 */
export function fallbackRole(
  name: string,
  policies: readonly pulumi.Input<string>[],
  roleId: string,
  child: pulumi.CustomResourceOptions,
): void {
  new Endpoint(
    `approle-${name}`,
    {
      path: `auth/approle/role/${name}`,
      dataJson: pulumi.jsonStringify({
        role_id: roleId,
        secret_id_ttl: 86_400,
        token_max_ttl: JOB_SECONDS,
        token_policies: policies,
        token_ttl: JOB_SECONDS,
      }),
      disableRead: true,
    },
    child,
  );
}
