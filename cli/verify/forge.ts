import { openForgeClient } from "../forge-client.ts";
import type { Scratch } from "../scratch.ts";
import type { VerifyContext } from "./context.ts";

/** A repository that exists for the length of one check. */
export interface Repository {
  readonly httpsUrl: string;
  readonly sshUrl: string;
}

/** What the checks need of the forge's API. Everything that is created goes with the scratch space it is created for. */
export interface Forge {
  /** An access token of the administrator's; works wherever the password does. */
  token(): Promise<string>;
  /** A private, empty repository of the organisation, named after the check's id. */
  createRepository(scratch: Scratch): Promise<Repository>;
  /** Lets a public SSH key log in as the administrator. */
  authoriseKey(scratch: Scratch, publicKey: string): Promise<void>;
  /** Removes every version of a package of the organisation at the end. */
  deferPackageRemoval(scratch: Scratch, type: "container" | "npm", name: string): void;
}

const SCOPES = ["write:organization", "write:package", "write:repository", "write:user"];

/**
 * The forge's API for one run of checks, logged in on first use.
 *
 * @param shared lasts as long as the run; the token goes with it
 */
export function openForge(context: VerifyContext, shared: Scratch): Forge {
  const { organisation, username, password } = context.forge;
  const { http, httpForCleanup } = context;
  const access = { site: context.sites.git, username, password, http, httpForCleanup };
  const client = openForgeClient(access, shared, SCOPES);
  const remove = (path: string) => client.call("DELETE", path, undefined, true);
  return {
    token: () => client.token(),
    async createRepository(scratch) {
      const repository = await client.call("POST", `/orgs/${organisation}/repos`, { name: scratch.id, private: true });
      scratch.defer(() => remove(`/repos/${organisation}/${scratch.id}`));
      const { clone_url: httpsUrl, ssh_url: sshUrl } = repository as { clone_url: string; ssh_url: string };
      return { httpsUrl, sshUrl };
    },
    async authoriseKey(scratch, publicKey) {
      const key = await client.call("POST", "/user/keys", { title: scratch.id, key: publicKey });
      scratch.defer(() => remove(`/user/keys/${(key as { id: number }).id}`));
    },
    deferPackageRemoval(scratch, type, name) {
      scratch.defer(async () => {
        const query = `type=${type}&q=${encodeURIComponent(name)}&limit=50`;
        const versions = await client.call("GET", `/packages/${organisation}?${query}`, undefined, true);
        for (const { version } of versions as { version: string }[]) {
          const path = [organisation, type, name, version].map(encodeURIComponent).join("/");
          await remove(`/packages/${path}`);
        }
      });
    },
  };
}
