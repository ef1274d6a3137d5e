import { CONTAINER, label, LOCAL, ofType, reachable, REMOTE, VOLUME, type Rule, type Run } from "./rule.ts";

/** What a restore writes to or reads from, and so has to be there before it. */
const BEFORE = [
  ...["Command bucket-forgejo", "Command offsite-server", "Command backup-image", "Command seed-files"],
  ...["Command postgres-database-forgejo", "Command postgres-database-backup", "Command postgres-superuser"],
  ...["Container postgres", "Container rustfs", "Volume forgejo-data", "Volume caddy-data", "Volume backup-data"],
];

/** What writes to a store that a restore would find no longer empty. */
const AFTER = ["Command vault-ensure", "Container forgejo", "Container caddy", "Container backup"];

export const seedRules: Rule[] = [
  { name: "seed: comes after everything that it needs", check: needs },
  { name: "seed: comes before everything that writes", check: precedes },
];

const named = (run: Run) => ofType(run, REMOTE, LOCAL, CONTAINER, VOLUME);
const find = (run: Run, name: string) => named(run).find((resource) => label(resource) === name);

function needs(run: Run): string[] {
  const seed = find(run, "Command seed");
  if (seed === undefined) return [];
  const before = reachable(run, seed);
  // Where somebody else keeps the repository, there is no server to wait for.
  const isOurs = run.resources.some(({ name }) => name === "offsite");
  return BEFORE.filter((name) => isOurs || name !== "Command offsite-server")
    .filter((name) => !before.has(find(run, name)?.urn ?? ""))
    .map((name) => `Command seed: does not wait for ${name}`);
}

function precedes(run: Run): string[] {
  const seed = find(run, "Command seed");
  if (seed === undefined) return [];
  return AFTER.filter((name) => {
    const resource = find(run, name);
    return resource === undefined || !reachable(run, resource).has(seed.urn);
  }).map((name) => `${name}: does not wait for the seed`);
}
