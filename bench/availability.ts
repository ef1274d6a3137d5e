/**
 * What clients notice of backups, and how old the newest backup is: git, Docker and an S3 client push and pull without a
 * pause while one run follows the other.
 *
 *     npm run sandbox && node_modules/.bin/node bench/availability.ts [--runs 5] [--every 60] [--json]
 *
 * A request is one command of a client (`git push`, `docker pull`) or one call of the SDK; what is pulled is compared with
 * what was pushed. The age of the newest backup, looked at every second, counts from the start of its run: what has been
 * pushed since then may not be in it. `--every` is seconds from one start to the next, 15 minutes in production.
 */
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import type { VerifyContext } from "../cli/verify/context.ts";
import { formatTable } from "../sandbox/table.ts";
import { committed } from "../test/e2e/backup-job.ts";
import { openVerifyContext } from "../test/e2e/context.ts";
import { imageArchive } from "../test/e2e/load/images.ts";
import { api, issueToken } from "../test/e2e/load/issues.ts";
import { s3Client } from "../test/e2e/load/stores.ts";
import { must } from "../test/e2e/rig.ts";
import { numberOf, quantile } from "./statistics.ts";

/** One client: makes requests one after the other, each through `request`. */
type Client = (request: Request, round: number) => Promise<void>;
type Request = <T>(what: string, send: () => Promise<T>) => Promise<T>;

interface Tally {
  /** of each request that was answered, in seconds */
  readonly seconds: number[];
  readonly failures: string[];
}

async function keepBusy(name: string, client: Client, tallies: Map<string, Tally>, ended: AbortSignal): Promise<void> {
  const tally: Tally = { seconds: [], failures: [] };
  tallies.set(name, tally);
  const request: Request = async (what, send) => {
    const began = performance.now();
    try {
      return await send();
    } catch (error) {
      tally.failures.push(`${new Date().toISOString()} ${what}: ${(error as Error).message}`);
      throw error;
    } finally {
      tally.seconds.push((performance.now() - began) / 1000);
    }
  };
  for (let round = 0; !ended.aborted; round++) await client(request, round).catch(() => undefined);
}

const mustEqual = (what: string, got: string, wanted: string): void => {
  if (got !== wanted) throw new Error(`${what}: got ${got}, not ${wanted}`);
};

async function gitClient(context: VerifyContext, owner: { name: string; token: string }, directory: string) {
  const { sites, forge, ca } = context;
  await writeFile(join(directory, "ca.crt"), ca ?? "");
  const environment = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_SSL_CAINFO: join(directory, "ca.crt") };
  const path = join(directory, "git");
  const who = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"];
  const git = (...args: string[]) => must(["git", "-C", path, ...who, ...args], { environment });
  await api(context, owner, "POST", `/orgs/${forge.organisation}/repos`, { name: owner.name, private: true });
  await mkdir(path);
  await git("init", "--quiet", "--initial-branch=main");
  await git(
    "remote",
    "add",
    "origin",
    `https://load:${owner.token}@${sites.git}/${forge.organisation}/${owner.name}.git`,
  );
  const client: Client = async (request, round) => {
    await writeFile(join(path, "file"), randomBytes(20_000));
    await git("add", ".");
    await git("commit", "--quiet", "--message", String(round));
    await request("git push", () => git("push", "--quiet", "origin", "main"));
    await request("git fetch", async () => {
      await git("fetch", "--quiet", "--force", "origin", "main:refs/pulled");
      mustEqual("git fetch", await git("rev-parse", "refs/pulled"), await git("rev-parse", "main"));
    });
  };
  return client;
}

async function dockerClient(
  { sites, forge }: VerifyContext,
  owner: { name: string; token: string },
  directory: string,
) {
  await must(["docker", "login", "--username", forge.username, "--password-stdin", sites.git], { input: owner.token });
  const name = `${sites.git}/${forge.organisation}/${owner.name}`;
  const file = join(directory, "image.tar");
  const client: Client = async (request, round) => {
    const tagged = `${name}:${String(round)}`;
    const { archive, layers } = imageArchive([tagged]);
    await writeFile(file, archive);
    await must(["docker", "load", "--quiet", "--input", file]);
    const said = await request("docker push", () => must(["docker", "push", tagged]));
    await must(["docker", "image", "rm", "--force", tagged]);
    const pushed = `${name}@${/digest: (sha256:[0-9a-f]{64})/.exec(said)?.[1] ?? ""}`;
    await request("docker pull", async () => {
      await must(["docker", "pull", "--quiet", pushed]);
      const pulled = await must(["docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", pushed]);
      mustEqual("docker pull", pulled, JSON.stringify(layers.get(tagged)));
    });
    await must(["docker", "image", "rm", "--force", pushed]);
  };
  return client;
}

function objectClient(context: VerifyContext, { name }: { name: string }): Client {
  const client = s3Client(context);
  return async (request, round) => {
    const [Bucket, Key, Body] = ["forgejo", `${name}/${String(round % 100)}`, randomBytes(100_000)];
    await request("S3 put", () => client.send(new PutObjectCommand({ Bucket, Key, Body })));
    await request("S3 get", async () => {
      const { Body: body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      mustEqual("S3 get", String(await body?.transformToString("hex")), Body.toString("hex"));
    });
    if (round % 10 === 9) await request("S3 delete", () => client.send(new DeleteObjectCommand({ Bucket, Key })));
  };
}

/** Runs, and how old the newest one was. */
interface Backups {
  readonly seconds: number[];
  readonly ages: number[];
}

async function backUp(runs: number, everySeconds: number, tallies: Map<string, Tally>): Promise<Backups> {
  const found: Backups = { seconds: [], ages: [] };
  let newest: number | undefined;
  const look = setInterval(() => {
    if (newest !== undefined) found.ages.push((Date.now() - newest) / 1000);
  }, 1000);
  try {
    // The first one is where the counting begins.
    for (let run = 0; run <= runs; run++) {
      const { commit, started, finished } = await committed();
      newest = Date.parse(commit.started);
      found.seconds.push((Date.parse(finished) - Date.parse(started)) / 1000);
      const failed = [...tallies.values()].reduce((sum, { failures }) => sum + failures.length, 0);
      console.error(`run ${String(run)}: ${String(found.seconds.at(-1))} s, ${String(failed)} requests failed so far`);
      if (run < runs) await sleep(Math.max(0, Date.parse(started) + everySeconds * 1000 - Date.now()));
    }
  } finally {
    clearInterval(look);
  }
  return found;
}

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "5" },
    every: { type: "string", default: "60" },
    json: { type: "boolean", default: false },
  },
});
const [runs, every] = [numberOf("runs", values.runs), numberOf("every", values.every)];
const { context } = await openVerifyContext();
const directory = await mkdtemp(join(tmpdir(), "availability-"));
const name = `bench-${randomBytes(4).toString("hex")}`;
const owner = { name, token: await issueToken(context, name) };
const clients = {
  git: await gitClient(context, owner, directory),
  docker: await dockerClient(context, owner, directory),
  S3: objectClient(context, owner),
};
const tallies = new Map<string, Tally>();
const ended = new AbortController();
const busy = Object.entries(clients).map(([name, client]) => keepBusy(name, client, tallies, ended.signal));
const backups = await backUp(runs, every, tallies).finally(async () => {
  ended.abort();
  await Promise.all(busy);
  await rm(directory, { recursive: true });
});
const requests = [...tallies].map(([client, { seconds, failures }]) => ({
  ...{ client, requests: seconds.length, failed: failures.length, failures },
  ...{ medianSeconds: quantile(seconds, 0.5), p99Seconds: quantile(seconds, 0.99), maxSeconds: Math.max(...seconds) },
}));
const ages = { median: quantile(backups.ages, 0.5), p99: quantile(backups.ages, 0.99), max: Math.max(...backups.ages) };
const failed = requests.reduce((sum, each) => sum + each.failed, 0);
const runSeconds = { median: quantile(backups.seconds, 0.5), max: Math.max(...backups.seconds) };
if (values.json) console.log(JSON.stringify({ failed, requests, runs, every, runSeconds, ages }, undefined, 2));
else {
  const time = (value: number): string => `${value.toFixed(2)} s`;
  const rows = requests.map(({ client, requests, failed, medianSeconds, p99Seconds, maxSeconds }) => [
    ...[client, String(requests), String(failed)],
    ...[medianSeconds, p99Seconds, maxSeconds].map(time),
  ]);
  console.log(formatTable(["client", "requests", "failed", "median", "p99", "longest"], rows));
  for (const { failures } of requests) for (const failure of failures.slice(0, 10)) console.log(failure);
  console.log(
    `${String(runs)} runs every ${String(every)} s: ${time(runSeconds.median)}, longest ${time(runSeconds.max)}`,
  );
  console.log(
    `age of the newest backup: median ${time(ages.median)}, p99 ${time(ages.p99)}, longest ${time(ages.max)}; requests failed: ${String(failed)} (budget 0)`,
  );
}
process.exitCode = failed === 0 ? 0 : 1;
