import { UserError } from "../../errors.ts";
import type { Http } from "../http.ts";
import type { Scratch } from "./check.ts";
import type { VerifyContext } from "./context.ts";

/** A repository that exists for the length of one check. */
export interface Repository {
  readonly httpsUrl: string;
  readonly sshUrl: string;
}

/** A private, empty repository of the organisation, named after the check's id. */
export async function createRepository(context: VerifyContext, scratch: Scratch): Promise<Repository> {
  const { organisation } = context.forge;
  const repository = await call(context, "POST", `/orgs/${organisation}/repos`, { name: scratch.id, private: true });
  scratch.defer(() => remove(context, `/repos/${organisation}/${scratch.id}`));
  const { clone_url: httpsUrl, ssh_url: sshUrl } = repository as { clone_url: string; ssh_url: string };
  return { httpsUrl, sshUrl };
}

/** Lets a public SSH key log in as the administrator for the length of one check. */
export async function authoriseKey(context: VerifyContext, scratch: Scratch, publicKey: string): Promise<void> {
  const key = (await call(context, "POST", "/user/keys", { title: scratch.id, key: publicKey })) as { id: number };
  scratch.defer(() => remove(context, `/user/keys/${key.id}`));
}

/** An access token for packages, for the length of one check. */
export async function createToken(context: VerifyContext, scratch: Scratch): Promise<string> {
  const path = `/users/${context.forge.username}/tokens`;
  const token = await call(context, "POST", path, { name: scratch.id, scopes: ["write:package"] });
  scratch.defer(() => remove(context, `${path}/${scratch.id}`));
  return (token as { sha1: string }).sha1;
}

/** Removes every version of a package of the organisation when the check is over. */
export function deferPackageRemoval(context: VerifyContext, scratch: Scratch, type: string, name: string): void {
  const owner = `/packages/${context.forge.organisation}`;
  scratch.defer(async () => {
    const found = await call(
      context,
      "GET",
      `${owner}?type=${type}&q=${encodeURIComponent(name)}&limit=50`,
      undefined,
      true,
    );
    for (const { version } of found as { version: string }[]) {
      await remove(context, `${owner}/${type}/${encodeURIComponent(name)}/${encodeURIComponent(version)}`);
    }
  });
}

/** The `Authorization` header of the administrator. */
export function basicAuthorisation({ forge }: VerifyContext): string {
  return `Basic ${Buffer.from(`${forge.username}:${forge.password}`).toString("base64")}`;
}

async function remove(context: VerifyContext, path: string): Promise<void> {
  await call(context, "DELETE", path, undefined, true);
}

async function call(
  context: VerifyContext,
  method: string,
  path: string,
  body?: object,
  cleaningUp = false,
): Promise<unknown> {
  const http: Http = cleaningUp ? context.httpForCleanup : context.http;
  const headers = { authorization: basicAuthorisation(context) };
  const response = await http(method, `https://${context.sites.git}/api/v1${path}`, { headers, body });
  const text = response.body.toString();
  if (response.status >= 200 && response.status < 300) return text === "" ? undefined : JSON.parse(text);
  throw new UserError(
    `${method} https://${context.sites.git}/api/v1${path}: HTTP ${response.status}${messageIn(text)}`,
    response.status === 401
      ? "the administrator's password was changed outside of the foundation: set it back, or put the new one into Vault"
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
