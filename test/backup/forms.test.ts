import { describe, expect, it } from "vitest";
import { parseCommandLine } from "../../backup/command-line.ts";
import { parseCommit, renderCommit, type Commit } from "../../backup/commit.ts";
import { mirrorPath, objectKey } from "../../backup/mirror-path.ts";
import { layout } from "../../backup/paths.ts";
import { parsePlan } from "../../backup/plan.ts";
import { dumpScript } from "../../backup/postgres.ts";
import { clock, describe as describeProgress, size } from "../../backup/progress.ts";
import {
  backupArguments,
  commitArguments,
  explain,
  lastMessage,
  parseSnapshots,
  parseSummary,
  resticEnvironment,
} from "../../backup/restic.ts";
import { excludes } from "../../backup/run.ts";
import { dueCheck, nextRun } from "../../backup/schedule.ts";
import { findSet, setsOf } from "../../backup/sets.ts";
import { describeStatus, healthyUntil, type LastRun, type Status } from "../../backup/status.ts";
import { EXIT } from "../../errors.ts";
import { World } from "./world.ts";

const world = new World();
const plan = world.plan();
world.remove();

describe("plan.json", () => {
  const hint = "the Pulumi program writes this file: pulumi up";
  const cases: [string, unknown, string][] = [
    ["not an object", [], "Invalid input: expected object, received array"],
    ["another version", { ...plan, version: 2 }, "version: Invalid input: expected 1"],
    [
      "a URL that is not a REST server's",
      { ...plan, offsite: { ...plan.offsite, url: "s3:x" } },
      "offsite.url: is not rest:https://HOST:PORT/USER/ or s3:https://HOST/BUCKET/PATH",
    ],
    [
      "a path out of its volume",
      { ...plan, trees: [{ ...plan.trees[0], git: "../x" }] },
      "trees.0.git: is not a relative path",
    ],
    ["no database", { ...plan, databases: [] }, "databases: Too small: expected array to have >=1 items"],
    ["what it does not know", { ...plan, colour: "red" }, 'Unrecognized key: "colour"'],
  ];
  it.each(cases)("is refused: %s", (_, value, reason) => {
    expect(() => parsePlan("/etc/foundation/plan.json", JSON.stringify(value))).toThrow(
      expect.objectContaining({ message: `/etc/foundation/plan.json: ${reason}`, hint, exitCode: EXIT.config }),
    );
  });
  it("is refused: cut off", () => {
    expect(() => parsePlan("plan.json", "{")).toThrow("plan.json: not JSON");
  });
  it("is read as it was written", () => expect(parsePlan("x", JSON.stringify(plan))).toEqual(plan));
});

describe("commit.json", () => {
  const commit: Commit = {
    version: 1,
    owner: plan.owner,
    vmId: plan.vmId,
    run: "00000000-0000-4000-8000-000000000001",
    started: "2026-01-31T12:00:00.000Z",
    finished: "2026-01-31T12:00:16.000Z",
    snapshot: "5".repeat(64),
    degraded: [],
    postgres: {
      server: "18.6",
      databases: [{ name: "forgejo", bytes: 1, sha256: "a".repeat(64), tables: { "public.x": 1 } }],
    },
    git: { repositories: 1, refs: 2 },
    s3: { forgejo: { objects: 1, bytes: 1 } },
    vault: null,
    kit: null,
  };
  it("is read as it was written", () => expect(parseCommit("x", renderCommit(commit))).toEqual(commit));
  const hint = "choose another one: npx foundation backup list";
  const cases: [string, string, string, string][] = [
    ["cut off", "{", "5e: commit.json: not JSON", hint],
    ["empty", "null", "5e: commit.json: Invalid input: expected object, received null", hint],
    [
      "a newer version",
      JSON.stringify({ ...commit, version: 2 }),
      "5e: commit.json has version 2",
      "use the release that wrote it, or a newer one",
    ],
    [
      "no snapshot",
      JSON.stringify({ ...commit, snapshot: "latest" }),
      "5e: commit.json: snapshot: is not 64 hex digits",
      hint,
    ],
    [
      "a negative count",
      JSON.stringify({ ...commit, git: { repositories: -1, refs: 0 } }),
      "5e: commit.json: git.repositories: Too small: expected number to be >=0",
      hint,
    ],
  ];
  it.each(cases)("is refused: %s", (_, text, message, advice) => {
    expect(() => parseCommit("5e", text)).toThrow(expect.objectContaining({ message, hint: advice }));
  });
});

describe("the command line", () => {
  it.each<[string, unknown]>([
    ["", { command: "serve" }],
    ["run --json", { command: "run", json: true }],
    ["list", { command: "list", json: false }],
    ["info 5e5e", { command: "info", json: false, id: "5e5e" }],
    ["check --read-data-subset 3/28", { command: "check", json: false, part: "3/28" }],
    ["status --metrics", { command: "status", json: false, metrics: true }],
    ["collect --force", { command: "collect", json: false, force: true }],
  ])("%s", (line, request) => expect(parseCommandLine(line.split(" ").filter(Boolean))).toEqual(request));
  it.each<[string, string]>([
    ["erase", "backup: unknown command: erase"],
    ["run now", "backup: too many arguments: now"],
    ["info", "backup: info: not an id: none given"],
    ["info latest", "backup: info: not an id: latest"],
    ["run --read-data-subset 1/2", "backup: --read-data-subset: not an option of run"],
    ["check --read-data-subset 10%", "backup: --read-data-subset: not N/T: 10%"],
    ["run --force", "backup: --force: not an option of run"],
    ["list --metrics", "backup: --metrics: not an option of list"],
    ["run --fast", "backup: Unknown option '--fast'"],
  ])("%s is refused", (line, message) => {
    expect(() => parseCommandLine(line.split(" "))).toThrow(expect.objectContaining({ message, exitCode: EXIT.usage }));
  });
});

describe("restic", () => {
  it("backs up with a constant host, without an estimate", () => {
    expect(backupArguments(["/a", "/b"], ["/a/*.new"]).join(" ")).toBe(
      "backup --json --no-scan --host foundation --tag set --exclude /a/*.new /a /b",
    );
    expect(commitArguments("commit.json", ["commit", "set-5"]).join(" ")).toBe(
      "backup --json --host foundation --tag commit --tag set-5 --stdin --stdin-filename commit.json",
    );
  });
  it("is given its secrets by environment and by file", () => {
    const repository = {
      url: "rest:https://h/u/",
      username: "u",
      password: "p",
      passwordFile: "/f",
      caFile: "/c",
      cacheDirectory: "/v/d",
    };
    expect(resticEnvironment(repository)).toEqual({
      RESTIC_REPOSITORY: "rest:https://h/u/",
      RESTIC_REST_USERNAME: "u",
      RESTIC_REST_PASSWORD: "p",
      RESTIC_PASSWORD_FILE: "/f",
      RESTIC_CACERT: "/c",
      RESTIC_CACHE_DIR: "/v/d",
      // not /tmp, which is memory and smaller than what waits to be sent
      TMPDIR: "/v",
      RESTIC_PROGRESS_FPS: "0.5",
    });
  });
  it("leaves out what is captured otherwise and what a push is still writing", () => {
    expect(
      excludes({
        plan: { ...plan, trees: [{ volume: "forgejo-data", path: "/s", git: "git", exclude: ["tmp"] }] },
        layout: layout({ state: "/v" }),
      }),
    ).toEqual([
      "/v/mirror/.*.new",
      "/s/tmp",
      "/s/git/*/*.git/refs",
      "/s/git/*/*.git/packed-refs",
      "/s/git/*/*.git/logs",
      "/s/git/*/*.git/*.lock",
      "/s/git/*/*.git/objects/tmp_*",
      "/s/git/*/*.git/objects/incoming-*",
      "/s/git/*/*.git/objects/*/tmp_*",
    ]);
  });
  it("says what was wrong in its last message, plain or JSON, and not in the one that says nothing", () => {
    expect(lastMessage("Fatal: unable to open\n\n")).toBe("Fatal: unable to open");
    expect(lastMessage("")).toBe("no message");
    expect(explain({ exitCode: 77, stdout: "", stderr: "what" }).message).toBe("restic: what");
  });
  it("prints no summary when it was killed", () => {
    expect(() => parseSummary('{"message_type":"status"}\n{"mess')).toThrow("restic: printed no summary");
  });
  it("lists snapshots newest first; only those with both tags are sets", () => {
    const tags = ["commit", `set-${"5".repeat(64)}`];
    const list = [
      { id: "a", time: "2026-01-01T00:00:00Z", tags },
      { id: "b", time: "2026-01-02T00:00:00.5+01:00", tags: [...tags, "degraded"] },
      { id: "c", time: "2026-01-03T00:00:00Z", tags: ["set"] },
      { id: "d", time: "2026-01-03T00:00:00Z" },
    ];
    const sets = setsOf(parseSnapshots(JSON.stringify(list)));
    expect(sets.map(({ commit, degraded }) => [commit, degraded])).toEqual([
      ["b", true],
      ["a", false],
    ]);
  });
  it("a set is found by the beginning of its id, if it is the only one", () => {
    const entry = (digit: string) => ({
      snapshot: `5e${digit.repeat(62)}`,
      commit: `c0${digit.repeat(62)}`,
      time: "",
      degraded: false,
    });
    const sets = [entry("1"), entry("2")];
    expect(findSet(sets, "5e11")).toBe(sets[0]);
    expect(findSet(sets, "c02")).toBe(sets[1]);
    expect(() => findSet(sets, "5e")).toThrow(
      expect.objectContaining({
        message: "backup: 2 sets begin with 5e",
        hint: "give more of it: 5e11111111, 5e22222222",
      }),
    );
    expect(() => findSet(sets, "ffff")).toThrow(
      expect.objectContaining({ message: "backup: no set ffff", hint: "npx foundation backup list" }),
    );
  });
});

describe("names in the mirror", () => {
  it.each([
    ["packages/ab/cd/abcd", "packages/ab/cd/abcd"],
    ["a//b/", "a/%/b/%"],
    ["../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"],
    ["./x", "%2E/x"],
    ["/leading", "%/leading"],
    ["100%/ü?*'", "100%25/%C3%BC%3F%2A%27"],
    [".x.new", ".x.new"],
  ])("%s", (key, path) => {
    expect(mirrorPath(key)).toBe(path);
    expect(objectKey(path)).toBe(key);
  });
  it("there is none for a part that no file system takes", () =>
    expect(mirrorPath(`a/${"x".repeat(201)}`)).toBeUndefined());
});

it("a dump is taken in the transaction in which rows are counted", () => {
  expect(dumpScript("forgejo", "/stage/forgejo.dump.new").split("\n").slice(0, 5)).toEqual([
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;",
    "SELECT pg_export_snapshot() AS snapshot \\gset",
    "\\setenv SNAPSHOT :snapshot",
    `\\! pg_dump --format=custom --compress=0 --lock-wait-timeout=10s --snapshot="$SNAPSHOT" --file='/stage/forgejo.dump.new' 'forgejo'; echo $?`,
    "SHOW server_version;",
  ]);
});

describe("status", () => {
  const at = (time: string): Date => new Date(`2026-01-31T${time}Z`);
  const last: LastRun = {
    run: "r",
    started: at("12:00:00").toISOString(),
    finished: at("12:00:16").toISOString(),
    outcome: "committed",
    degraded: [],
    seconds: {},
  };
  const commit = { run: "r", snapshot: "5", finished: at("12:00:16").toISOString() };
  const status: Status = {
    version: 1,
    vmId: "v",
    everyMinutes: 15,
    last,
    commit,
    check: null,
    collection: null,
    rebuilt: null,
  };

  it("holds good for two intervals after the newest set", () => {
    expect(healthyUntil(status, at("12:01:00"))).toEqual(at("12:30:16"));
    expect(describeStatus(status, at("12:30:15"))).toMatchObject({ healthy: true, ageSeconds: 1799 });
    expect(describeStatus(status, at("12:30:16"))).toMatchObject({ healthy: false, ageSeconds: 1800 });
  });
  it("not after a run that failed, and a while before the first has ended", () => {
    expect(describeStatus({ ...status, last: { ...last, outcome: "failed" } }, at("12:01:00")).healthy).toBe(false);
    expect(describeStatus({ ...status, last: null, commit: null }, at("12:01:00"))).toMatchObject({
      healthy: true,
      ageSeconds: null,
    });
  });
});

describe("the schedule", () => {
  const at = (time: string): Date => new Date(`2026-01-31T${time}Z`);
  it.each<[string, string | null, boolean, string, string]>([
    ["the first run is at once", null, false, "12:00:00", "12:00:00"],
    ["from start to start", "12:00:00", false, "12:05:00", "12:15:00"],
    ["at once when it is late", "11:00:00", false, "12:00:00", "12:00:00"],
    ["sooner after a failure", "12:00:00", true, "12:00:10", "12:02:00"],
    ["at once when the clock was put back", "13:00:00", false, "12:00:00", "12:00:00"],
  ])("%s", (_, started, lastFailed, now, due) => {
    const lastStarted = started === null ? null : at(started);
    expect(nextRun({ everyMinutes: 15, lastStarted, lastFailed }, at(now))).toEqual(at(due));
  });
  it("checks each of 28 parts once in 28 days", () => {
    expect(dueCheck(at("00:00:01"), at("23:59:59"))).toBeUndefined();
    const days = Array.from({ length: 28 }, (_, day) => dueCheck(null, new Date(Date.UTC(2026, 0, 1 + day))));
    expect(new Set(days).size).toBe(28);
    expect(days.every((part) => /^([1-9]|1\d|2[0-8])\/28$/.test(part ?? ""))).toBe(true);
  });
});

it("amounts and times are as a person reads them", () => {
  expect([0, 999, 1000, 2_200_000, 4e9].map(size)).toEqual(["0 B", "999 B", "1.0 kB", "2.2 MB", "4.0 GB"]);
  expect([0, 59.6, 3700].map(clock)).toEqual(["0:00", "1:00", "1:01:40"]);
  expect(describeProgress(1e9, 4e9, 10)).toBe("1.0 GB of 4.0 GB, 100.0 MB/s, 0:30 left");
  expect(describeProgress(1e6, 0, 2)).toBe("1.0 MB, 500.0 kB/s");
});
