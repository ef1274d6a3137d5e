import { readFileSync } from "node:fs";
import { EXIT, UserError } from "../../errors.ts";
import { MARKER } from "../../review/markdown.ts";
import { createHttp, type Http, type HttpResponse } from "../http.ts";
import type { Shell } from "../shell.ts";

/** The pull request that a workflow runs for, and how to write to it. */
export interface PullRequest {
  /** of the forge's API, without a slash at the end */
  readonly api: string;
  /** `owner/name` */
  readonly repository: string;
  readonly number: number;
  readonly token: string;
}

interface Comment {
  readonly id: number;
  readonly body: string;
  readonly user: { readonly id: number } | null;
}

/**
 * Finds the pull request in the environment that Forgejo gives to a job.
 *
 * @throws UserError (usage) that names what is missing
 */
export function readPullRequest(environment: Shell["environment"]): PullRequest {
  const given = (name: string): string => {
    const value = environment[name] ?? "";
    if (value !== "") return value;
    throw new UserError(`review: --post: ${name} is not set`, "run it in a workflow, `on: pull_request`", EXIT.usage);
  };
  const path = given("GITHUB_EVENT_PATH");
  let event: { pull_request?: { number?: unknown } };
  try {
    event = JSON.parse(readFileSync(path, "utf8")) as typeof event;
  } catch (error) {
    const reason = (error as Error).message.split("\n", 1)[0];
    throw new UserError(`review: --post: ${path}: ${reason}`, "run it in a workflow, `on: pull_request`", EXIT.usage);
  }
  const number = event.pull_request?.number;
  if (typeof number !== "number") {
    throw new UserError(
      "review: --post: not for a pull request",
      "run it in a workflow, `on: pull_request`",
      EXIT.usage,
    );
  }
  const server = environment["GITHUB_API_URL"] ?? `${given("GITHUB_SERVER_URL")}/api/v1`;
  const api = server.replace(/\/+$/, "");
  return { api, repository: given("GITHUB_REPOSITORY"), number, token: given("GITHUB_TOKEN") };
}

/**
 * Leaves the text as the pull request's one comment: the one of the last time is changed, further ones are deleted.
 *
 * @param text begins with the marker
 * @returns what was done, for people
 * @throws UserError (unreachable) where the forge gives no answer, or not the one that was asked for
 */
export async function postComment(shell: Shell, pullRequest: PullRequest, text: string): Promise<string> {
  const { api, repository, number, token } = pullRequest;
  const http = createHttp(undefined, shell.interrupted);
  const headers = { authorization: `token ${token}` };
  const issues = `${api}/repos/${repository}/issues`;
  const call: Http = (method, path, request) => http(method, issues + path, { ...request, headers });
  const [asked, listed] = await Promise.all([
    http("GET", `${api}/user`, { headers }),
    call("GET", `/${number}/comments`),
  ]);
  if (listed.status !== 200) return refusedBy(pullRequest, "its comments cannot be read", listed);
  const me = asked.status === 200 ? (JSON.parse(asked.body.toString()) as { id: number }).id : undefined;
  // Who may write may change what others wrote, whatever it begins with.
  const isOwn = ({ body, user }: Comment): boolean => body.startsWith(MARKER) && (me === undefined || user?.id === me);
  const own = (JSON.parse(listed.body.toString()) as Comment[]).filter(isOwn);
  const [first, ...others] = await ours(call, own, text);
  if (first === undefined) {
    const posted = await call("POST", `/${number}/comments`, { body: { body: text } });
    if (posted.status !== 201) return refusedBy(pullRequest, "it cannot be commented on", posted);
    return `review: commented on pull request ${number}`;
  }
  for (const { id } of others) await call("DELETE", `/comments/${id}`);
  return `review: changed the comment on pull request ${number}`;
}

/** Those that may be changed, the first with the new text: not every forge tells a job who it is. */
async function ours(call: Http, candidates: readonly Comment[], text: string): Promise<Comment[]> {
  for (const [index, comment] of candidates.entries()) {
    const changed = await call("PATCH", `/comments/${comment.id}`, { body: { body: text } });
    if (changed.status === 200) return candidates.slice(index);
  }
  return [];
}

/** What may not be written is said and no error; everything else that is not as asked is one. */
function refusedBy({ number, repository }: PullRequest, what: string, { status, body }: HttpResponse): string {
  const text = `review: pull request ${number} of ${repository}: ${what}: HTTP ${status}`;
  if (status === 401 || status === 403 || status === 404) {
    return `warning: ${text}\nhint: the token may not; the report is above`;
  }
  throw new UserError(text, body.toString().slice(0, 200) || "run the workflow again", EXIT.unreachable);
}
