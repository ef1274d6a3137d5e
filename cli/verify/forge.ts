import { UserError } from "../../errors.ts";
import type { Scratch } from "./check.ts";
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
  const { organisation, username } = context.forge;
  let issued: Promise<string> | undefined;
  const token = () => (issued ??= issueToken(context, shared));
  const call = async (method: string, path: string, body?: object, cleaningUp = false) =>
    callApi(context, `token ${await token()}`, method, path, body, cleaningUp);
  const remove = (path: string) => call("DELETE", path, undefined, true);
  return {
    token,
    async createRepository(scratch) {
      const repository = await call("POST", `/orgs/${organisation}/repos`, { name: scratch.id, private: true });
      scratch.defer(() => remove(`/repos/${organisation}/${scratch.id}`));
      const { clone_url: httpsUrl, ssh_url: sshUrl } = repository as { clone_url: string; ssh_url: string };
      return { httpsUrl, sshUrl };
    },
    async authoriseKey(scratch, publicKey) {
      const key = await call("POST", "/user/keys", { title: scratch.id, key: publicKey });
      scratch.defer(() => remove(`/user/keys/${(key as { id: number }).id}`));
    },
    deferPackageRemoval(scratch, type, name) {
      scratch.defer(async () => {
        const query = `type=${type}&q=${encodeURIComponent(name)}&limit=50`;
        const versions = await call("GET", `/packages/${organisation}?${query}`, undefined, true);
        for (const { version } of versions as { version: string }[]) {
          const path = [organisation, type, name, version].map(encodeURIComponent).join("/");
          await remove(`/packages/${path}`);
        }
      });
    },
  };

  // Tokens are managed with the password only, so that a stolen token cannot make others.
  async function issueToken(context: VerifyContext, shared: Scratch): Promise<string> {
    const password = `Basic ${Buffer.from(`${username}:${context.forge.password}`).toString("base64")}`;
    const path = `/users/${username}/tokens`;
    const created = await callApi(context, password, "POST", path, { name: shared.id, scopes: SCOPES });
    shared.defer(() => callApi(context, password, "DELETE", `${path}/${shared.id}`, undefined, true));
    return (created as { sha1: string }).sha1;
  }
}

async function callApi(
  context: VerifyContext,
  authorization: string,
  method: string,
  path: string,
  body?: object,
  cleaningUp = false,
): Promise<unknown> {
  const url = `https://${context.sites.git}/api/v1${path}`;
  const http = cleaningUp ? context.httpForCleanup : context.http;
  const response = await http(method, url, { headers: { authorization }, body });
  const text = response.body.toString();
  if (response.status >= 200 && response.status < 300) return text === "" ? undefined : JSON.parse(text);
  throw new UserError(
    `${method} ${url}: HTTP ${response.status}${messageIn(text)}`,
    response.status === 401
      ? "the administrator's password was changed outside of the foundation: pulumi up sets it again"
      : "look at the forge's log: docker logs --tail 50 forgejo on the VM",
  );
}

function messageIn(text: string): string {
  try {
    return `: ${(JSON.parse(text) as { message: string }).message}`;
  } catch {
    return "";
  }
}
