import { createHttp } from "../http.ts";
import { openForgeClient, type ForgeClient } from "../forge-client.ts";
import { writeHttpsLogin } from "../git-login.ts";
import { withScratch } from "../scratch.ts";
import type { Shell } from "../shell.ts";
import type { OpenStack } from "../stack.ts";
import { loginToVault } from "../vault-client.ts";
import { certificateOf, CREDENTIAL_PATHS } from "../verify/context.ts";

/** The foundation's own repository as its administrator sees it, whether it is there already or not. */
export interface OwnForge {
  readonly client: ForgeClient;
  /** host name of the forge */
  readonly site: string;
  readonly organisation: string;
  readonly name: string;
  /** the administrator, the only one who pushes to a protected branch */
  readonly admin: string;
  /** public SSH key that may read it, if there is to be one */
  readonly deployKey: string | undefined;
  /** for git over HTTPS, without credentials */
  readonly url: string;
  /** for git over SSH, as other clones use it */
  readonly sshUrl: string;
  /** a line of known_hosts: the only host key that its SSH server has */
  readonly knownHost: string;
  /** lets git log in at `url` */
  readonly environment: Readonly<Record<string, string>>;
}

const SCOPES = ["write:organization", "write:repository"];

/**
 * Logs in at the forge for the length of an action: the password comes from Vault, the token that is made of it goes.
 *
 * @param caFile value of `--ca`
 * @throws UserError where the foundation cannot be reached or Vault is sealed
 */
export async function withOwnForge<T>(
  shell: Shell,
  stack: OpenStack,
  caFile: string | undefined,
  action: (forge: OwnForge) => Promise<T>,
): Promise<T> {
  const { sites, forge } = stack.config;
  const ca = await certificateOf(shell, stack, caFile);
  const http = createHttp(ca, shell.interrupted);
  const session = await loginToVault(http, `https://${sites.vault}`, stack.secrets.vaultAppRole("operator"));
  const { username = "", password = "" } = await session.read(CREDENTIAL_PATHS.forge);
  await session.end();
  return withScratch("repository", async (scratch) => {
    const access = { site: sites.git, username, password, http, httpForCleanup: createHttp(ca) };
    const client = openForgeClient(access, scratch, SCOPES);
    const environment = await writeHttpsLogin(scratch.directory, { username, token: await client.token(), ca });
    return action({ ...describe(stack), client, admin: username, deployKey: forge.deployKey, environment });
  });
}

/** Its names, which need no login. */
function describe({ config, secrets }: OpenStack) {
  const { sites, forge } = config;
  const path = `${forge.organisation}/${forge.repository}.git`;
  const host = forge.sshPort === 22 ? sites.git : `[${sites.git}]:${String(forge.sshPort)}`;
  return {
    site: sites.git,
    organisation: forge.organisation,
    name: forge.repository,
    url: `https://${sites.git}/${path}`,
    sshUrl: `ssh://git@${sites.git}:${String(forge.sshPort)}/${path}`,
    knownHost: `${host} ${secrets.forgejo.sshHostKeys.ed25519.publicKey}`,
  };
}
