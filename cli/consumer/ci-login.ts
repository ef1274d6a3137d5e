import type { Consumer } from "../../config-consumers.ts";
import { EXIT, UserError } from "../../errors.ts";
import type { AppRoleCredentials } from "../../keys/derive.ts";
import { openForgeClient } from "../forge-client.ts";
import type { Http } from "../http.ts";
import { withScratch } from "../scratch.ts";
import { loginToVault } from "../vault-client.ts";
import { CREDENTIAL_PATHS } from "../verify/context.ts";

/** Whom a login is for, and by whom it is issued. */
export interface CiLoginArgs {
  readonly sites: Readonly<Record<"git" | "vault", string>>;
  readonly consumer: Pick<Consumer, "name" | "organisation" | "jobsRole">;
  /** of the AppRole of the consumer's jobs; not secret */
  readonly roleId: string;
  /** `30m`, `1h` */
  readonly ttl: string;
  /** AppRole of the Pulumi program, the only one that may issue secret ids */
  readonly program: AppRoleCredentials;
  readonly http: Http;
  /** the same, also after Ctrl-C: for undoing */
  readonly httpForCleanup: Http;
}

/**
 * The fallback for a forge that does not vouch for its jobs: a short-lived secret id of an AppRole with what
 * the consumer's jobs have, as secrets of Actions of its organisation. The next one takes the place of the one before.
 *
 * @returns what was done, a line each
 * @throws UserError (refused) where the forge vouches for jobs, so that nothing has to be stored
 */
export async function issueCiLogin(args: CiLoginArgs): Promise<string[]> {
  const { sites, consumer, ttl, http } = args;
  await refuseWithIdentities(http, sites.git);
  const vault = await loginToVault(http, `https://${sites.vault}`, args.program);
  try {
    const { username = "", password = "" } = await vault.read(CREDENTIAL_PATHS.forge);
    await withScratch("ci-login", async (scratch) => {
      const access = { site: sites.git, username, password, http, httpForCleanup: args.httpForCleanup };
      const forge = openForgeClient(access, scratch, ["write:organization"]);
      const put = (name: string, data: string) =>
        forge.call("PUT", `/orgs/${consumer.organisation}/actions/secrets/${name}`, { data });
      await put("VAULT_ROLE_ID", args.roleId);
      await put("VAULT_SECRET_ID", await vault.issueSecretId(consumer.jobsRole, ttl));
    });
  } finally {
    await vault.end();
  }
  return [
    `fallback: for ${ttl}, jobs of ${consumer.organisation} have what ${consumer.name} has in Vault.`,
    "By VAULT_ROLE_ID and VAULT_SECRET_ID, which every job of every branch there can read: this forge vouches for no job.",
  ];
}

async function refuseWithIdentities(http: Http, site: string): Promise<void> {
  const { status } = await http("GET", `https://${site}/api/actions/.well-known/openid-configuration`);
  if (status !== 200) return;
  throw new UserError(
    "consumer ci-login: the forge vouches for its jobs, which need no secret that is stored",
    "enable-openid-connect: true in the workflow, and vault-secrets without role-id: docs/how-to.md, Secrets in CI",
    EXIT.refused,
  );
}
