import type { UserError } from "../../errors.ts";
import type { Shell } from "../shell.ts";
import { countOf, MAIN, short, type Clone } from "./clone.ts";
import { gitAtForge, push, type Git } from "./git.ts";
import {
  deploymentTag,
  divergence,
  readHistory,
  relate,
  ShallowClone,
  type ForgeHistory,
  type Relation,
} from "./history.ts";
import type { OwnForge } from "./own-forge.ts";
import { planRemote } from "./remote.ts";
import { creation, pathOf, planSettings, type FoundRepository } from "./settings.ts";
import type { Notice, Step } from "./step.ts";

/** What a plan is about. */
export interface PlanRequest {
  readonly stack: string;
  readonly clone: Clone;
  /** when the deployment ended */
  readonly time: Date;
  /** whether the clone gets its remote */
  readonly withRemote: boolean;
}

/** How the foundation's own repository is, and what is missing until it is as it should be. */
export interface Plan extends ForgeHistory {
  readonly relation: Relation;
  /** in order */
  readonly steps: readonly Step[];
  readonly notices: readonly Notice[];
  /** why the commit cannot get to `main`; the steps are good all the same */
  readonly obstacle: UserError | undefined;
}

/**
 * Compares the forge's repository with the clone, without changing either; only objects may be fetched.
 *
 * `main` moves forward and nothing else: to a commit that is on the clone's own `main`, or from nothing. What is deployed
 * from anywhere else gets into the forge by the tag that records it.
 */
export async function planRepository(shell: Shell, forge: OwnForge, request: PlanRequest): Promise<Plan> {
  const { clone, stack } = request;
  const git = gitAtForge(shell, clone, forge);
  const found = (await forge.client.find(pathOf(forge))) as FoundRepository | undefined;
  const history = found ? await readHistory(git, forge, stack) : { main: undefined, deployed: undefined };
  const relation = await relate(git, clone, forge, history.main);
  const settings = await planSettings(forge, found);
  const remote = request.withRemote ? await planRemote(shell, clone, forge) : { steps: [], notices: [] };
  const pushing = planPush(git, forge, request, history, relation);
  const isEmpty = history.main === undefined;
  const ofForge = [
    ...(found ? [] : [creation(forge)]),
    // A branch that is there is protected first; one that is not there yet begins without anybody's review.
    ...(isEmpty ? [...pushing.steps, ...settings] : [...settings, ...pushing.steps]),
  ];
  return {
    ...history,
    relation,
    obstacle: pushing.obstacle,
    // An empty repository helps nobody.
    steps: [...(isEmpty && pushing.obstacle ? [] : ofForge), ...remote.steps],
    notices: [...describeClone(clone, relation), ...remote.notices],
  };
}

function planPush(
  git: Git,
  forge: OwnForge,
  { stack, clone, time }: PlanRequest,
  { deployed }: ForgeHistory,
  relation: Relation,
): Pick<Plan, "obstacle"> & { steps: Step[] } {
  const { kind, ahead } = relation;
  // What follows what the forge has can be pushed; where they parted may be in the part that is missing.
  if (clone.isShallow && (kind === "none" || kind === "diverged"))
    return { steps: [], obstacle: new ShallowClone(clone) };
  const hasChanges = clone.changedFiles > 0;
  const isRecorded = deployed?.commit === clone.commit && deployed.withChanges === hasChanges;
  const tag = isRecorded ? undefined : deploymentTag(stack, time, hasChanges);
  const refs: [what: string, ref: string][] = [];
  if (kind === "none") refs.push([`begin ${MAIN} with ${short(clone.commit)}`, `refs/heads/${MAIN}`]);
  if (kind === "ahead" && clone.isOnMain)
    refs.push([`push ${countOf(ahead, "commit")} to ${MAIN}`, `refs/heads/${MAIN}`]);
  if (tag !== undefined) refs.push([`record ${short(clone.commit)} as ${tag}`, `refs/tags/${tag}`]);
  const refspecs = refs.map(([, ref]) => `${clone.commit}:${ref}`);
  const step = { what: refs.map(([what]) => what).join(", "), run: () => push(git, forge, refspecs) };
  const obstacle = kind === "diverged" && clone.isOnMain ? divergence(clone, forge, relation) : undefined;
  return { steps: refs.length === 0 ? [] : [step], obstacle };
}

/** What was deployed, where that is not simply the newest commit of `main`. */
function describeClone(clone: Clone, { kind, ahead, behind }: Relation): Notice[] {
  const { branch, changedFiles, isOnMain } = clone;
  const commit = short(clone.commit);
  const notices: Notice[] = [];
  if (changedFiles > 0) {
    const files = changedFiles === 1 ? "1 file is" : `${String(changedFiles)} files are`;
    notices.push({ what: `${files} not as committed: what runs is not quite ${commit}` });
  }
  const where = branch === undefined ? "on no branch" : `on ${branch}`;
  if (!isOnMain && kind === "none") notices.push({ what: `${MAIN} begins with ${commit}, which is ${where}` });
  if (!isOnMain && (kind === "ahead" || kind === "diverged")) {
    const what = `${commit} is ${where} and not on ${MAIN}, which lacks ${countOf(ahead, "commit")} of it and stays as it is`;
    const name = branch ?? `${commit}:refs/heads/NAME`;
    notices.push({ what, hint: `for a pull request: git push foundation ${name}` });
  }
  if (kind === "behind") notices.push({ what: `${MAIN} is ${countOf(behind, "commit")} further than ${commit}` });
  return notices;
}

/**
 * Makes the forge's repository what it should be, and says each step and each notice on the way.
 *
 * @returns what there was before and what was done
 * @throws UserError (refused) where the commit cannot get to `main`; all else has been done then
 */
export async function bringUpToDate(shell: Shell, forge: OwnForge, request: PlanRequest): Promise<Plan> {
  const plan = await planRepository(shell, forge, request);
  for (const { what, run } of plan.steps) {
    shell.notice(`repository: ${what}`);
    await run();
  }
  for (const { what, hint } of plan.notices)
    shell.notice(`repository: ${what}${hint === undefined ? "" : `\nhint: ${hint}`}`);
  if (plan.obstacle !== undefined) throw plan.obstacle;
  return plan;
}
