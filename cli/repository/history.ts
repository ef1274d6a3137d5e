import { EXIT, UserError } from "../../errors.ts";
import { countOf, MAIN, short, type Clone } from "./clone.ts";
import { answerOf, type Git } from "./git.ts";
import type { OwnForge } from "./own-forge.ts";

/** First part of the tags that say what was deployed: `deployed/STACK/20260131T120000Z`. */
export const DEPLOYED = "deployed";
/** Ending of the tag of a deployment from a work tree that was not as committed. */
const CHANGES = "+changes";

/** One deployment that was recorded. */
export interface Deployment {
  readonly tag: string;
  readonly commit: string;
  readonly withChanges: boolean;
}

/** What the forge has; both are undefined in an empty repository. */
export interface ForgeHistory {
  /** commit of `main` */
  readonly main: string | undefined;
  /** the newest one of the stack */
  readonly deployed: Deployment | undefined;
}

/** How the deployed commit and the forge's `main` stand to each other. */
export interface Relation {
  readonly kind: "none" | "same" | "ahead" | "behind" | "diverged";
  /** commits that `main` lacks */
  readonly ahead: number;
  /** commits that only `main` has */
  readonly behind: number;
}

/** Asks the forge for `main` and for what was deployed last. The times in the tags sort as text. */
export async function readHistory(git: Git, { url, site }: OwnForge, stack: string): Promise<ForgeHistory> {
  const prefix = `refs/tags/${DEPLOYED}/${stack}/`;
  const listed = answerOf(`asking ${site}`, await git("ls-remote", url, `refs/heads/${MAIN}`, `${prefix}*`));
  const refs = listed.split("\n").map((line) => {
    const [commit = "", name = ""] = line.split("\t");
    return { commit, name };
  });
  const newest = refs
    .filter(({ name }) => name.startsWith(prefix))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .at(-1);
  return {
    main: refs.find(({ name }) => name === `refs/heads/${MAIN}`)?.commit,
    deployed: newest && {
      tag: newest.name.slice("refs/tags/".length),
      commit: newest.commit,
      withChanges: newest.name.endsWith(CHANGES),
    },
  };
}

/** Compares the deployed commit with the forge's `main`, whose objects are fetched where this clone lacks them. */
export async function relate(git: Git, clone: Clone, forge: OwnForge, main: string | undefined): Promise<Relation> {
  if (main === undefined) return { kind: "none", ahead: 0, behind: 0 };
  if (main === clone.commit) return { kind: "same", ahead: 0, behind: 0 };
  if ((await git("cat-file", "-e", `${main}^{commit}`)).exitCode !== 0) {
    const flags = ["--quiet", "--no-tags", "--no-write-fetch-head"];
    answerOf(`fetching ${MAIN} of ${forge.site}`, await git("fetch", ...flags, forge.url, MAIN));
  }
  const counted = await git("rev-list", "--left-right", "--count", `${main}...${clone.commit}`);
  const [behind = 0, ahead = 0] = answerOf("comparing", counted).split("\t").map(Number);
  return { kind: behind === 0 ? "ahead" : ahead === 0 ? "behind" : "diverged", ahead, behind };
}

/** Tag for a deployment that ends now. */
export function deploymentTag(stack: string, time: Date, withChanges: boolean): string {
  const seconds = time.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return `${DEPLOYED}/${stack}/${seconds}${withChanges ? CHANGES : ""}`;
}

/** The clone and the forge have each what the other one lacks; only a person can tell which is right. */
export function divergence({ commit }: Clone, { site }: OwnForge, { ahead, behind }: Relation): UserError {
  return new UserError(
    `repository: ${MAIN} on ${site} and the deployed ${short(commit)} have diverged: ` +
      `${countOf(behind, "commit")} only there, ${countOf(ahead, "commit")} only here; nothing was overwritten`,
    `bring them together and deploy that: git fetch foundation && git rebase foundation/${MAIN}`,
    EXIT.refused,
  );
}

/** The forge takes no history without its beginning. */
export class ShallowClone extends UserError {
  constructor({ commit }: Clone) {
    super(
      `repository: the clone is shallow, and the forge does not have ${short(commit)} yet`,
      "git fetch --unshallow && npx foundation repository push",
      EXIT.refused,
    );
  }
}
