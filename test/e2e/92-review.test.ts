import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { VerifyContext } from "../../cli/verify/context.ts";
import { EXIT } from "../../errors.ts";
import { MARKER } from "../../review/markdown.ts";
import { outOfSync } from "../../setup.mjs";
import { openVerifyContext } from "./context.ts";
import { issueToken } from "./load/issues.ts";
import { must, paths, run, until } from "./rig.ts";
import { GIT, logs, upWithRunner, Workflows } from "./workflows.ts";

// The project in the rig's forge with a stack of somebody's, one pull request, and the project's own workflow in a job of
// the runner. One step of it is another one here: jobs of the rig have no internet, so in the place of `npm test` the
// packages are fetched from the forge. Everything else is as in every pull request, `foundation review --post` above all.

const BASE = "origin/main";
const id = `review-${randomBytes(3).toString("hex")}`;
const directory = mkdtempSync(join(tmpdir(), "foundation-review-e2e-"));
const project = join(directory, "project");

let context: VerifyContext;
let forge: Workflows;
let token: string;
let repository: string;
const began = performance.now();

beforeAll(async () => {
  expect(outOfSync(paths.project)).toBeUndefined();
  await upWithRunner();
  ({ context } = await openVerifyContext());
  token = await issueToken(context, id);
  forge = new Workflows(context, token);
  repository = await forge.create(id, { PACKAGES: token });
  await uploadPackages();
  await pushMain();
});

afterAll(async () => {
  console.log(`review of ${String(CHANGES)} pushes: ${((performance.now() - began) / 1000).toFixed(0)} s`);
  await forge.call("DELETE", `/packages/platform/generic/${id}/1`);
  rmSync(directory, { recursive: true, force: true });
});

const packages = (): string => `https://${context.sites.git}/api/packages/platform/generic/${id}/1/node_modules.tar.gz`;

/** What the program needs of node_modules; what only tests and the compiler need stays out. */
async function uploadPackages(): Promise<void> {
  const from = realpathSync(join(paths.project, "node_modules"));
  const installed = JSON.parse(readFileSync(join(from, ".package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
  };
  const needed = Object.entries(installed.packages).flatMap(([path, { dev, devOptional }]) =>
    (dev ?? devOptional) === true || path.includes("/node_modules/") ? [] : [path.replace("node_modules/", "")],
  );
  const file = join(directory, "node_modules.tar.gz");
  const unused = ["*.d.ts", "*.map", "build/esm", "build/esnext", "node-linux-*/include", "node-linux-*/share"];
  const smaller = ["--use-compress-program=gzip -1", ...unused.map((pattern) => `--exclude=${pattern}`)];
  await must(["tar", "--create", ...smaller, "-C", from, "-f", file, ".bin", ".package-lock.json", ...needed]);
  const request = { headers: { authorization: `token ${token}` }, body: readFileSync(file), timeoutSeconds: 300 };
  expect((await context.http("PUT", packages(), request)).status).toBe(201);
}

/** The project as it is here, with the workflow that the rig can run and a stack that has a consumer. */
async function pushMain(): Promise<void> {
  const own = ["node_modules", ".git", ".cache", ".state"].map((name) => join(paths.project, name));
  cpSync(paths.project, project, { recursive: true, filter: (source) => !own.includes(source) });
  symlinkSync(realpathSync(join(paths.project, "node_modules")), join(project, "node_modules"));
  edit(
    ".forgejo/workflows/review.yml",
    "      - run: npm test\n",
    `      - env: { TOKEN: "\${{ secrets.PACKAGES }}" }
        shell: bash
        run: |
          mkdir node_modules
          curl -fsSL -H "Authorization: token $TOKEN" ${packages()} | tar -xz -C node_modules
`,
  );
  cpSync(join(project, "review/example.yaml"), join(project, STACK));
  config((values) => ({ ...values, "foundation:consumers": [{ name: "ci-team", database: true }] }));
  await git("init", "--quiet", "--initial-branch=main");
  writeFileSync(join(project, ".git", "info", "exclude"), "node_modules\n");
  await git("add", ".");
  await git("commit", "--quiet", "--message=all of it");
  await git("remote", "add", "origin", `https://token:${token}@${context.sites.git}/${repository}.git`);
  await git("push", "--quiet", "origin", "main");
  await git("switch", "--quiet", "--create", "change");
}

const git = (...args: string[]): Promise<string> =>
  must(["git", "-C", project, "-c", "user.name=Test", "-c", "user.email=test@noreply.invalid", ...args], {
    environment: GIT,
  });

const STACK = "Pulumi.prod.yaml";

/** Changes the stack's configuration. */
function config(change: (values: Record<string, unknown>) => Record<string, unknown>): void {
  const { config: values } = parse(readFileSync(join(project, STACK), "utf8")) as { config: Record<string, unknown> };
  writeFileSync(join(project, STACK), stringify({ config: change(values) }));
}

/** Changes a line of a file that has it once. */
function edit(path: string, before: string | RegExp, after: string): void {
  const text = readFileSync(join(project, path), "utf8");
  expect(text.split(before), `${path}: ${String(before)}`).toHaveLength(2);
  writeFileSync(join(project, path), text.replace(before, after));
}

/** How many of them are pushed; each takes 35 s, and test/review/prepared.test.ts has all ten without a forge. */
const CHANGES = Number(process.env["FOUNDATION_REVIEW_CHANGES"] ?? "4");

/** What is pushed, what the comment has to say of it, and the exit code of the review. */
const PREPARED: readonly (readonly [name: string, change: () => void, says: string, exitCode: number])[] = [
  [
    "an image is bumped",
    () => edit("images.ts", /caddy:\d[\w.-]+@sha256:[0-9a-f]{64}/, `caddy:2.99.0-alpine@sha256:${"b".repeat(64)}`),
    "`2.99.0-alpine` | [what is new](https://github.com/caddyserver/caddy/releases/tag/v2.99.0) |",
    EXIT.attention,
  ],
  [
    "a port is opened",
    () => edit("components/rustfs.ts", "environment: ENVIRONMENT,", "$& ports: [{ internal: 9000, external: 9000 }],"),
    String.raw`- **new port: Container rustfs: publishes 0.0.0.0:9000-\>9000/tcp**`,
    EXIT.refused,
  ],
  [
    "a consumer is removed",
    () => config((values) => ({ ...values, "foundation:consumers": [] })),
    "- `-` Endpoint approle-consumer-ci-team: deleted",
    EXIT.attention,
  ],
  [
    "only words change",
    () => appendFileSync(join(project, "README.md"), "One more line.\n"),
    "Stack `prod`: nothing changes",
    EXIT.ok,
  ],
  [
    "a service gets more memory",
    () => edit("sizing.ts", "caddy: { memoryMiB: 256 }", "caddy: { memoryMiB: 320 }"),
    "memory: `256` → `320`",
    EXIT.attention,
  ],
  [
    "a volume gets another name",
    () => edit("components/volumes.ts", "{ name: volume,", '{ name: volume.replace("forgejo-data", "forge-data"),'),
    "- **refused: Volume forgejo-data: protected, and it would be ",
    EXIT.refused,
  ],
  [
    "volumes lose their protection",
    () => edit("components/volumes.ts", "protect: true", "protect: false"),
    "Volume forgejo-data: protect false is not true**",
    EXIT.refused,
  ],
  [
    "a consumer is added",
    () =>
      config(({ "foundation:consumers": consumers, ...values }) => ({
        ...values,
        "foundation:consumers": [...(consumers as object[]), { name: "newcomer", buckets: [{ name: "new-data" }] }],
      })),
    "- `+` RandomPassword consumer-newcomer-s3: created",
    EXIT.attention,
  ],
  [
    "there are to be no backups",
    () => config((values) => ({ ...values, "foundation:offsite": "none" })),
    "- **refused: Volume backup-data: protected, and it would be deleted**",
    EXIT.refused,
  ],
  [
    "the runner goes",
    () => config((values) => ({ ...values, "foundation:runner": { enabled: false } })),
    "- `-` Container runner: deleted",
    EXIT.attention,
  ],
];

/** `foundation review` of the pushed tree on this machine. */
async function reviewHere(): Promise<{ readonly code: number | null; readonly text: string }> {
  const program = join(project, "cli", "main.ts");
  const { code, stdout, stderr } = await run([process.execPath, program, "review", "--base", BASE, "--markdown"]);
  return { code, text: stdout === "" ? stderr : stdout };
}

interface Comment {
  readonly id: number;
  readonly body: string;
  readonly user: { readonly login: string };
}

/** What a person wrote before the review did, which may change everybody's comments. */
const THEIRS = `${MARKER}\nAll is well.`;

/** Its number, and the id of the one comment on it; made with the first push. */
let pull: { readonly number: number; comment?: number } | undefined;

const commentsOf = (number: number): string => `/repos/${repository}/issues/${String(number)}/comments`;

/** Somebody is faster than the review, and begins as it does. */
async function openPullRequest(): Promise<{ readonly number: number }> {
  // The forge enters a pushed branch into its database a moment after the push.
  const branch = `/repos/${repository}/branches/change`;
  await until("the branch in the forge's database", 20, async () => (await forge.call("GET", branch)) !== undefined);
  const request = { title: id, head: "change", base: "main" };
  const { number } = (await forge.call("POST", `/repos/${repository}/pulls`, request)) as { number: number };
  await forge.call("POST", commentsOf(number), { body: THEIRS });
  return { number };
}

test.each(PREPARED.slice(0, CHANGES))("%s: the one comment says so", async (name, change, says, exitCode) => {
  // As people push: one commit on top of the other. Compared with the base, each is one change.
  await git("restore", "--source=main", "--staged", "--worktree", ".");
  change();
  await git("commit", "--quiet", "--all", `--message=${name}`);
  const commit = await git("rev-parse", "HEAD");
  const pushed = performance.now();
  await git("push", "--quiet", "origin", "change");
  pull ??= await openPullRequest();
  const [ended, here] = await Promise.all([forge.ended(repository, commit, pushed), reviewHere()]);
  expect(here).toEqual({ code: exitCode, text: expect.stringContaining(says) as string });
  const [theirs, ...comments] = (await forge.call("GET", commentsOf(pull.number))) as Comment[];
  expect([theirs?.user.login, theirs?.body]).toEqual([context.forge.username, THEIRS]);
  expect(
    comments.map(({ body }) => body.trim()),
    logs(ended),
  ).toEqual([here.text.trim()]);
  expect(ended.conclusion, logs(ended)).toBe(exitCode === EXIT.refused ? "failure" : "success");
  const [comment] = comments;
  expect(comment?.user.login).not.toBe(context.forge.username);
  pull.comment ??= comment?.id ?? 0;
  expect(comment?.id).toBe(pull.comment);
});
