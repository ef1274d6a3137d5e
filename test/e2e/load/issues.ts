import { randomBytes } from "node:crypto";
import type { VerifyContext } from "../../../cli/verify/context.ts";
import type { Owner, Seen } from "./load.ts";
import { nameOf, REPOSITORIES } from "./repositories.ts";

/** Every fifth repository has an issue with a comment and an Actions secret. */
const ISSUE_EVERY = 5;

const withIssue = (owner: Owner): string[] =>
  Array.from({ length: REPOSITORIES / ISSUE_EVERY }, (_, index) => nameOf(owner, index * ISSUE_EVERY));

/** A request to the forge's API. @throws Error for every answer that is not a success */
export async function api(
  { http, sites }: VerifyContext,
  { token }: Pick<Owner, "token">,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  const headers = { authorization: `token ${token}` };
  const answer = await http(method, `https://${sites.git}/api/v1${path}`, { headers, ...(body && { body }) });
  const text = answer.body.toString();
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${String(answer.status)} ${text}`);
  return text === "" ? undefined : (JSON.parse(text) as unknown);
}

/** A token of the administrator's for everything that the load needs. */
export async function issueToken({ http, sites, forge }: VerifyContext, name: string): Promise<string> {
  const { username, password } = forge;
  const headers = { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
  const scopes = ["write:organization", "write:package", "write:repository", "write:user", "write:issue"];
  const url = `https://${sites.git}/api/v1/users/${username}/tokens`;
  const answer = await http("POST", url, { headers, body: { name, scopes } });
  return (JSON.parse(answer.body.toString()) as { sha1: string }).sha1;
}

/** Issues with comments, and secrets that the forge encrypts. */
export async function putIssues(context: VerifyContext, owner: Owner): Promise<Seen> {
  const seen: Record<string, string> = {};
  for (const name of withIssue(owner)) {
    const repository = `/repos/${context.forge.organisation}/${name}`;
    const text = { title: `about ${name}`, body: randomText() };
    const issue = await api(context, owner, "POST", `${repository}/issues`, text);
    const comment = await api(context, owner, "POST", `${repository}/issues/1/comments`, { body: randomText() });
    await api(context, owner, "PUT", `${repository}/actions/secrets/DEPLOY_KEY`, { data: randomText() });
    seen[`issue ${name}`] = describe(issue);
    seen[`issue ${name} comment`] = describe(comment);
  }
  return seen;
}

/** The same issues and comments. */
export async function lookAtIssues(context: VerifyContext, owner: Owner): Promise<Seen> {
  const seen: Record<string, string> = {};
  for (const name of withIssue(owner)) {
    const issue = `/repos/${context.forge.organisation}/${name}/issues/1`;
    seen[`issue ${name}`] = describe(await api(context, owner, "GET", issue));
    const comments = (await api(context, owner, "GET", `${issue}/comments`)) as unknown[];
    seen[`issue ${name} comment`] = comments.map(describe).join("\n");
  }
  return seen;
}

function describe(answer: unknown): string {
  const { id, title, body, created_at: created, user } = answer as Record<string, unknown>;
  return JSON.stringify({ id, title, body, created, by: (user as { login: string }).login });
}

const randomText = (): string => randomBytes(16).toString("hex");
