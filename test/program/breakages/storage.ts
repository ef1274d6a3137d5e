import type { Breakages } from "./graph-copy.ts";

const DATA = "Volume postgres-data";

export const storageBreakages: Breakages = {
  "volumes: never deleted or replaced": [
    [(g) => (g.get(DATA).protect = false), "Volume postgres-data: protect false is not true"],
    [(g) => (g.get(DATA).retainOnDelete = false), "Volume postgres-data: retainOnDelete false is not true"],
    [
      (g) => (g.get(DATA).ignoreChanges = ["labels"]),
      'Volume postgres-data: ignoreChanges ["labels"] is not ["driver","driverOpts","labels"]',
    ],
  ],
  "volumes: of the local driver, without options": [
    [(g) => (g.get(DATA).inputs.driverOpts = { type: "nfs" }), "Volume postgres-data: driverOpts is set"],
  ],
  "volumes: the declared ones, each written by one, read by no other but the backup": [
    [
      (g) => g.remove(DATA),
      "Volume postgres-data: declared and not registered",
      "Container postgres: mounts postgres-data, which is not a volume of this program",
    ],
    [
      (g) => g.add(DATA, { name: "mail-data" }),
      "Volume mail-data: not declared in VOLUMES",
      "Volume mail-data: mounted by nobody",
    ],
    [
      (g) => (g.get("Container vault").inputs.mounts as unknown[]).push({ type: "volume", source: "postgres-data" }),
      "Volume postgres-data: mounted by postgres, vault",
    ],
    [
      (g) =>
        (g.get("Container vault").inputs.mounts as unknown[]).push({
          type: "volume",
          source: "postgres-data",
          readOnly: true,
        }),
      "Container vault: reads postgres-data, which only the backup may",
    ],
  ],
};
