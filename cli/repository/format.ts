import { countOf, MAIN, short, type Clone } from "./clone.ts";
import type { Deployment } from "./history.ts";
import type { OwnForge } from "./own-forge.ts";
import type { Plan } from "./repository.ts";

/** How the repository is, for programs. */
export interface Status {
  /** `organisation/name` */
  readonly repository: string;
  readonly page: string;
  /** commit that is checked out here */
  readonly commit: string;
  readonly branch: string | null;
  readonly changedFiles: number;
  /** commit of the forge's `main` */
  readonly main: string | null;
  readonly relation: Plan["relation"];
  readonly deployed: Deployment | null;
  /** what `repository push` would do */
  readonly toDo: readonly string[];
  readonly notices: readonly string[];
  /** why this commit cannot get to `main` */
  readonly obstacle: string | null;
}

export function statusOf(forge: OwnForge, clone: Clone, plan: Plan): Status {
  const repository = `${forge.organisation}/${forge.name}`;
  return {
    repository,
    page: `https://${forge.site}/${repository}`,
    commit: clone.commit,
    branch: clone.branch ?? null,
    changedFiles: clone.changedFiles,
    main: plan.main ?? null,
    relation: plan.relation,
    deployed: plan.deployed ?? null,
    toDo: plan.steps.map(({ what }) => what),
    notices: plan.notices.map(({ what }) => what),
    obstacle: plan.obstacle?.message ?? null,
  };
}

/** The same for people. */
export function formatStatus(status: Status): string {
  const { commit, branch, changedFiles, deployed } = status;
  const changes = changedFiles === 0 ? "" : `, ${countOf(changedFiles, "file")} not as committed`;
  const lines: [string, string][] = [
    ["repository", status.page],
    ["here", `${short(commit)} on ${branch ?? "no branch"}${changes}`],
    [MAIN, describeMain(status)],
    ["deployed", deployed === null ? "nothing recorded" : `${short(deployed.commit)}, ${deployed.tag}`],
    ...status.notices.map<[string, string]>((notice) => ["notice", notice]),
    ...(status.obstacle === null ? [] : [["obstacle", status.obstacle] as [string, string]]),
    ...status.toDo.map<[string, string]>((step) => ["to do", step]),
  ];
  return lines.map(([label, text]) => `${label.padEnd(12)}${text}`).join("\n");
}

function describeMain({ main, relation: { kind, ahead, behind } }: Status): string {
  if (main === null) return "not there yet";
  const missing = ahead === 0 ? [] : [`lacks ${countOf(ahead, "commit")}`];
  const more = behind === 0 ? [] : [`has ${countOf(behind, "commit")} more`];
  return `${short(main)}, ${kind === "same" ? "the same" : [...missing, ...more].join(", ")}`;
}
