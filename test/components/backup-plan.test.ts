import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SOURCES } from "../../backup-stages.ts";
import { JOB_ENTRY, jobSources } from "../../backup-sources.ts";
import { parsePlan } from "../../backup/plan.ts";
import { bundleJob } from "../../cli/backup-image/build.ts";
import { backupPlan } from "../../components/backup-plan.ts";
import { VOLUMES } from "../../components/topology.ts";

const volumes = SOURCES.flatMap((source) => source.volumes);

describe("what is backed up", () => {
  it("says of every volume, once, how it gets into the backup or why it does not", () => {
    expect(volumes.map(({ volume }) => volume).sort()).toEqual([...VOLUMES].sort());
    expect(
      Object.fromEntries(volumes.map((each) => [each.volume, each.by === "nothing" ? each.reason : each.by])),
    ).toEqual({
      "postgres-data": "database",
      "rustfs-data": "objects",
      "vault-data": "snapshot",
      "vault-logs": "the audit log tells of this VM, and nothing is restored from it",
      "forgejo-data": "files",
      "caddy-data": "files",
      "backup-data": "the backup's own copies, made again by the next run",
    });
  });

  it("is rendered as a plan that the job accepts, for a repository elsewhere too", () => {
    const offsite = { url: "s3:https://s3.example.net/bucket/foundation", username: "AKIA/1+2=", region: "eu-1" };
    const about = { owner: "0123456789abcdef", vmId: "8f14e45fceea167a5a36dedd4bea2543", everyMinutes: 15 };
    expect(parsePlan("plan.json", backupPlan({ ...about, offsite, sources: SOURCES })).offsite).toEqual(offsite);
  });

  it("is rendered as a plan that the job accepts", () => {
    const plan = backupPlan({
      owner: "0123456789abcdef",
      vmId: "8f14e45fceea167a5a36dedd4bea2543",
      everyMinutes: 15,
      offsite: {
        url: "rest:https://198.51.100.9:8000/foundation-0123456789abcdef/",
        username: "foundation-0123456789abcdef",
        keyHint: "ab".repeat(32),
      },
      sources: SOURCES,
    });
    const { databases, ...parsed } = parsePlan("plan.json", plan);
    expect(databases.map(({ name, layout, references }) => [name, layout !== undefined, references.length])).toEqual([
      ["backup", false, 0],
      ["forgejo", true, 3],
    ]);
    expect(parsed).toEqual({
      version: 1,
      owner: "0123456789abcdef",
      vmId: "8f14e45fceea167a5a36dedd4bea2543",
      everyMinutes: 15,
      offsite: {
        url: "rest:https://198.51.100.9:8000/foundation-0123456789abcdef/",
        username: "foundation-0123456789abcdef",
        keyHint: "ab".repeat(32),
      },
      endpoints: {
        postgres: "postgres:5432",
        s3: "http://rustfs:9000",
        vault: "http://vault:8200",
        forge: "http://forgejo:3000",
      },
      canary: { account: "foundation-backup", repository: "canary" },
      s3Region: "us-east-1",
      buckets: ["forgejo"],
      trees: [
        {
          volume: "forgejo-data",
          path: "/sources/forgejo",
          git: "git/repositories",
          exclude: ["indexers", "queues", "sessions", "tmp", "home/.cache"],
        },
        { volume: "caddy-data", path: "/sources/caddy", exclude: [] },
      ],
    });
  });
});

describe("the job's program", () => {
  it("is built from nothing that the image's name does not stand for", async () => {
    const { metafile } = await bundleJob(process.cwd());
    const used = Object.keys(metafile.inputs).filter((path) => !path.startsWith("node_modules/"));
    expect(used.filter((path) => !jobSources().includes(path))).toEqual([]);
    expect(used).toContain(JOB_ENTRY);
  });

  it("runs in an image that has the tools of the server, and nothing fetched", () => {
    const instructions = readFileSync("backup/Dockerfile", "utf8").split("\n");
    expect(instructions.filter((line) => /^(ADD|RUN .*(apt|curl|wget|npm))/.test(line))).toEqual([]);
  });
});
