import { isDeepStrictEqual } from "node:util";
import { MAIN } from "./clone.ts";
import { DEPLOYED } from "./history.ts";
import type { OwnForge } from "./own-forge.ts";
import type { Step } from "./step.ts";

const DESCRIPTION = "This foundation itself: what runs here is deployed from the tags deployed/…";
const TOPICS = ["foundation", "infrastructure", "pulumi"];
/** Of what somebody added by hand, only a key with this title is ours to take back. */
const KEY_TITLE = "foundation";
/** Every job of the workflow that is called `review`, and at least one: WORKFLOW / JOB (EVENT), as the forge names checks. */
const REVIEW_CHECK = "review / * (pull_request)";

/**
 * What the forge is asked for `main`. Gitea names what Forgejo refuses in any case, a forced push; each of them passes over
 * what it does not know.
 */
const protectionFor = (admin: string) => ({
  enable_push: true,
  enable_push_whitelist: true,
  push_whitelist_usernames: [admin],
  enable_force_push: false,
  required_approvals: 1,
  dismiss_stale_approvals: true,
  block_on_rejected_reviews: true,
  enable_status_check: true,
  status_check_contexts: [REVIEW_CHECK],
});

/** The repository, as the API describes it. */
export interface FoundRepository {
  readonly description: string;
}

/** Makes the repository; private, because it names hosts and people. */
export function creation({ client, organisation, name }: OwnForge): Step {
  const body = { name, description: DESCRIPTION, private: true, default_branch: MAIN };
  const run = () => client.call("POST", `/orgs/${organisation}/repos`, body);
  return { what: `create ${organisation}/${name}`, run };
}

/**
 * Compares the settings of the repository with what they should be. Description and topics are only filled in where they
 * are empty; the protections are put back.
 *
 * @param found undefined where it is not there yet
 */
export async function planSettings(forge: OwnForge, found: FoundRepository | undefined): Promise<Step[]> {
  const { client } = forge;
  const path = pathOf(forge);
  const [topics, branch, tags, keys] = await Promise.all(
    ["topics", `branch_protections/${MAIN}`, "tag_protections", "keys"].map((part) => client.find(`${path}/${part}`)),
  );
  const describe = () => client.call("PATCH", path, { description: DESCRIPTION });
  const topicCount = (topics as { topics: string[] | null } | undefined)?.topics?.length ?? 0;
  const classify = () => client.call("PUT", `${path}/topics`, { topics: TOPICS });
  return [
    ...(found?.description === "" ? [{ what: "describe it", run: describe }] : []),
    ...(topicCount === 0 ? [{ what: "set its topics", run: classify }] : []),
    ...planBranch(forge, branch as Protection | undefined),
    ...planTags(forge, (tags ?? []) as TagProtection[]),
    ...planKeys(forge, (keys ?? []) as DeployKey[]),
  ];
}

export const pathOf = ({ organisation, name }: OwnForge): string => `/repos/${organisation}/${name}`;

type Protection = Readonly<Record<string, unknown>>;

function planBranch(forge: OwnForge, current: Protection | undefined): Step[] {
  const wanted = protectionFor(forge.admin);
  const path = `${pathOf(forge)}/branch_protections`;
  const what = `protect ${MAIN}`;
  if (current === undefined)
    return [{ what, run: () => forge.client.call("POST", path, { rule_name: MAIN, ...wanted }) }];
  const isKept = Object.entries(wanted).every(
    ([name, value]) => !(name in current) || isDeepStrictEqual(current[name], value),
  );
  return isKept ? [] : [{ what, run: () => forge.client.call("PATCH", `${path}/${MAIN}`, wanted) }];
}

interface TagProtection {
  readonly id: number;
  readonly name_pattern: string;
  readonly whitelist_usernames: string[] | null;
}

/** What was deployed is not for everybody to claim. */
function planTags(forge: OwnForge, current: readonly TagProtection[]): Step[] {
  const { admin, client } = forge;
  const path = `${pathOf(forge)}/tag_protections`;
  const wanted = { name_pattern: `${DEPLOYED}/**`, whitelist_usernames: [admin] };
  const what = `protect the tags ${wanted.name_pattern}`;
  const found = current.find(({ name_pattern }) => name_pattern === wanted.name_pattern);
  if (found === undefined) return [{ what, run: () => client.call("POST", path, wanted) }];
  if (isDeepStrictEqual(found.whitelist_usernames, wanted.whitelist_usernames)) return [];
  return [{ what, run: () => client.call("PATCH", `${path}/${String(found.id)}`, wanted) }];
}

interface DeployKey {
  readonly id: number;
  readonly title: string;
  readonly key: string;
  readonly read_only: boolean;
}

function planKeys(forge: OwnForge, current: readonly DeployKey[]): Step[] {
  const { client, deployKey } = forge;
  const path = `${pathOf(forge)}/keys`;
  const isWanted = ({ key, read_only }: DeployKey) => read_only && key.split(" ").slice(0, 2).join(" ") === deployKey;
  const obsolete = current.filter((key) => key.title === KEY_TITLE && !isWanted(key));
  const takeBack = obsolete.map(({ id }) => ({
    what: "take back the deploy key",
    run: () => client.call("DELETE", `${path}/${String(id)}`),
  }));
  if (deployKey === undefined || current.some(isWanted)) return takeBack;
  const body = { title: KEY_TITLE, key: deployKey, read_only: true };
  return [...takeBack, { what: "let the deploy key read it", run: () => client.call("POST", path, body) }];
}
