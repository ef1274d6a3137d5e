import type { Breakages, Graph } from "./graph-copy.ts";

/** Nobody waits for this resource any more. */
function forget(graph: Graph, name: string): void {
  const { urn } = graph.get(name);
  for (const resource of graph.run.resources)
    resource.dependencies = resource.dependencies.filter((other) => other !== urn);
}

export const seedBreakages: Breakages = {
  "seed: comes after everything that it needs": [
    [(g) => forget(g, "Command bucket-forgejo"), "Command seed: does not wait for Command bucket-forgejo"],
    [(g) => g.remove("Volume backup-data"), "Command seed: does not wait for Volume backup-data"],
  ],
  "seed: comes before everything that writes": [
    [
      (g) => forget(g, "Command seed"),
      ...["Command vault-ensure", "Container forgejo", "Container caddy", "Container backup"].map(
        (name) => `${name}: does not wait for the seed`,
      ),
    ],
    [(g) => g.remove("Container backup"), "Container backup: does not wait for the seed"],
  ],
};
