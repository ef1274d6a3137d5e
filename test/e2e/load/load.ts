import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VerifyContext } from "../../../cli/verify/context.ts";
import type { AppRoleCredentials } from "../../../keys/derive.ts";
import { lookAtImages, putImages } from "./images.ts";
import { issueToken, lookAtIssues, putIssues } from "./issues.ts";
import { lookAtPackages, putPackages } from "./packages.ts";
import { lookAtRepositories, putRepositories } from "./repositories.ts";
import { hostKeys, lookAtObjects, lookAtVault, putObjects, putVault } from "./stores.ts";

// Work put on a foundation by real clients, and what the same clients see of it later.

/** What a client put or saw, by what it looked at: equal if nothing was lost and nothing changed. */
export type Seen = Readonly<Record<string, string>>;

/** Who puts the work there, and how it shows who it is: all of that has to go on being good. */
export interface Owner {
  /** begins the names of everything */
  readonly name: string;
  /** of the forge's API: in its database */
  readonly token: string;
  /** log in to Vault */
  readonly roles: Readonly<Record<"pulumi" | "operator", AppRoleCredentials>>;
}

/** Work that was put on a foundation. */
export interface Load extends Owner {
  /** as its clients have it, not as the foundation gives it back */
  readonly put: Seen;
}

/** Puts work on a foundation. */
export async function putLoad(context: VerifyContext, roles: Load["roles"]): Promise<Load> {
  const name = `load-${randomBytes(4).toString("hex")}`;
  const owner = { name, token: await issueToken(context, name), roles };
  const put = await inScratch(async (directory) => ({
    ...(await putRepositories(context, owner, directory)),
    ...(await putIssues(context, owner)),
    ...(await putPackages(context, owner, directory)),
    ...(await putImages(context, owner, directory)),
    ...(await putObjects(context)),
    ...(await putVault(context, owner)),
    ...(await identities(context)),
  }));
  return { ...owner, put };
}

/** Looks at everything with the clients that put it there. */
export function lookAt(context: VerifyContext, load: Load): Promise<Seen> {
  return inScratch(async (directory) => ({
    ...(await lookAtRepositories(context, load, directory)),
    ...(await lookAtIssues(context, load)),
    ...(await lookAtPackages(context, load, directory)),
    ...(await lookAtImages(load.put)),
    ...(await lookAtObjects(context)),
    ...(await lookAtVault(context, load)),
    ...(await identities(context)),
  }));
}

/** How what was seen compares with what was put. */
export interface Comparison {
  readonly compared: number;
  /** the first word of what was looked at, with how many there are */
  readonly kinds: Readonly<Record<string, number>>;
  readonly mismatched: readonly string[];
}

/** Compares everything that was put or seen. */
export function compare(put: Seen, seen: Seen): Comparison {
  const names = [...new Set([...Object.keys(put), ...Object.keys(seen)])];
  const kinds: Record<string, number> = {};
  for (const [kind = ""] of names.map((name) => name.split(" "))) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return { compared: names.length, kinds, mismatched: names.filter((name) => put[name] !== seen[name]) };
}

/** What clients know the foundation by. */
const identities = async (context: VerifyContext): Promise<Seen> => ({
  "identity SSH host keys": await hostKeys(context),
});

async function inScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "load-"));
  return await work(directory).finally(() => rm(directory, { recursive: true }));
}
