import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { Job } from "./job.ts";
import type { Plan } from "./plan.ts";

const TIMEOUT_SECONDS = 30;
const TAGS = "refs/tags/";

/**
 * Leaves the run's id as a tag in the canary's repository, through the forge like any push, and takes those of former
 * runs away. A name and nothing more: no object is written that somebody would have to clear away.
 *
 * @throws UserError
 */
export async function writeGitCanary(job: Job): Promise<void> {
  const before = JSON.parse(await ask(job, "GET", "tags?limit=50", [200])) as { name: string }[];
  // 409: the run was there already, and captures once more.
  await ask(job, "POST", "tags", [201, 409], JSON.stringify({ tag_name: job.run }));
  for (const { name } of before) {
    if (name !== job.run) await ask(job, "DELETE", `tags/${encodeURIComponent(name)}`, [204, 404]);
  }
}

/** Path of the canary's repository below the directory of repositories. */
export function canaryRepository({ canary: { account, repository } }: Plan): string {
  return join(account, `${repository}.git`);
}

/** The run whose tag is there; of several, the one that is looked for. */
export function canaryOf(refs: Iterable<string>, run: string): string {
  const tags = [...refs].filter((name) => name.startsWith(TAGS)).map((name) => name.slice(TAGS.length));
  return tags.includes(run) ? run : (tags[0] ?? "none");
}

async function ask(
  { effects, plan, credentials }: Job,
  method: "GET" | "POST" | "DELETE",
  path: string,
  expected: readonly number[],
  body?: string,
): Promise<string> {
  const { account, repository } = plan.canary;
  const url = `${plan.endpoints.forge}/api/v1/repos/${account}/${repository}/${path}`;
  const authorization = `Basic ${Buffer.from(`${account}:${credentials.forgePassword}`).toString("base64")}`;
  const headers = { authorization, ...(body === undefined ? {} : { "content-type": "application/json" }) };
  const what = `forge: ${method} ${account}/${repository}/${path.replace(/[?/].*/, "")}`;
  const hint = "docker logs --tail 50 forgejo (on the VM)";
  let answer: { status: number; body: string };
  try {
    answer = await effects.request({ method, url, headers, body, timeoutSeconds: TIMEOUT_SECONDS });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UserError(`${what}: ${code ?? message}`, hint);
  }
  if (expected.includes(answer.status)) return answer.body;
  throw new UserError(`${what}: answered ${String(answer.status)}`, hint);
}
