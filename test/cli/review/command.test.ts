import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { EXIT } from "../../../errors.ts";

const project = join(import.meta.dirname, "../../..");
let directory: string;
let repository: string;
/** in which the command makes what it needs for a while */
let scratch: string;

// This tree as a repository of its own, with one commit on main.
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "review-command-"));
  [repository, scratch] = [join(directory, "repository"), join(directory, "tmp")];
  mkdirSync(scratch);
  const listed = spawnSync("git", ["-C", project, "ls-files", "--cached", "--others", "--exclude-standard"]);
  for (const path of listed.stdout.toString().trim().split("\n")) {
    mkdirSync(dirname(join(repository, path)), { recursive: true });
    cpSync(join(project, path), join(repository, path));
  }
  git("init", "--quiet", "--initial-branch=main");
  git("add", "--all");
  git("-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "--quiet", "--message=first");
  symlinkSync(join(project, "node_modules"), join(repository, "node_modules"));
  // .gitignore means a directory
  writeFileSync(join(repository, ".git/info/exclude"), "/node_modules\n");
});
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(() => {
  git("checkout", "--quiet", "--force", "main");
  git("clean", "--quiet", "--force", "-d");
});

function git(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("git", ["-C", repository, ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

function edit(path: string, from: string, to: string): void {
  const before = readFileSync(join(repository, path), "utf8");
  expect(before).toContain(from);
  writeFileSync(join(repository, path), before.replace(from, to));
}

type Environment = Readonly<Record<string, string>>;

/** The real command; nothing but the path in its environment. */
function start(args: readonly string[], environment: Environment = {}) {
  const child = spawn(process.execPath, [join(repository, "cli/main.ts"), "review", ...args], {
    cwd: "/",
    env: { PATH: process.env["PATH"], TMPDIR: scratch, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exit = new Promise<number | null>((resolve) => child.on("close", resolve));
  const ended = Promise.all([exit, text(child.stdout), text(child.stderr)]).then(([exitCode, stdout, stderr]) => ({
    exitCode,
    stdout,
    stderr,
  }));
  return { child, ended };
}

const review = (args: readonly string[], environment?: Environment) => start(args, environment).ended;
const commit = (): string => git("rev-parse", "--short=7", "main").trim();

it("nothing changed, and nothing is left behind", async () => {
  const before = git("count-objects", "-v") + git("for-each-ref") + git("status", "--porcelain");
  expect(await review(["--base", "main"])).toEqual({
    exitCode: EXIT.ok,
    stdout: `compared with main (${commit()})\n\nstack example: nothing changes\n`,
    stderr: "",
  });
  expect(git("count-objects", "-v") + git("for-each-ref") + git("status", "--porcelain")).toBe(before);
  expect(readdirSync(scratch)).toEqual([]);
});

it("a change of the code, of a component and of the configuration, each by the program of its own side", async () => {
  edit("components/caddy.ts", "graceSeconds: 20", "graceSeconds: 25");
  edit("review/example.yaml", "enabled: true", "enabled: false");
  const { exitCode, stdout, stderr } = await review(["--base", "main"]);
  expect(stderr).toBe("");
  expect(stdout.split("\n").filter((line) => /^[!a-z]|Container|destroyGrace/.test(line))).toEqual([
    `compared with main (${commit()})`,
    "stack example: 1 replaced, 7 deleted, 1 output changed",
    "  ± Container caddy: replaced",
    "      destroyGraceSeconds: 20 → 25",
    "  - Container runner: deleted",
  ]);
  expect(exitCode).toBe(EXIT.attention);
});

it("committed stacks in place of the example, encrypted values and all; what is new on main does not count", async () => {
  const example = readFileSync(join(repository, "review/example.yaml"), "utf8");
  git("checkout", "--quiet", "-b", "change");
  const secret =
    "  foundation:offsite:\n    repository: s3:https://s3.example.net/bucket\n    accessKeyId: AKIA123\n    secretAccessKey:\n      secure: v1:abc:def\n";
  writeFileSync(join(repository, "Pulumi.lab.yaml"), example.replace(/ {2}foundation:offsite:\n(?: {4}.*\n)+/, secret));
  git("add", "--all");
  git("-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "--quiet", "--message=lab");
  edit("Pulumi.lab.yaml", "v1:abc:def", "v1:abc:another");
  const { exitCode, stdout, stderr } = await review(["--base", "HEAD", "--json"]);
  expect(stderr).toBe("");
  const report = JSON.parse(stdout) as {
    stacks: { stack: string; changes: { label: string; properties: unknown }[] }[];
  };
  expect(report.stacks.map(({ stack, changes }) => [stack, changes.map(({ label }) => label)])).toEqual([
    ["lab", ["Command backup-files", "Command seed-files", "Container backup", "SecretV2 offsite-s3"]],
  ]);
  expect(report.stacks[0]?.changes[0]?.properties).toEqual([
    { path: "stdin", secret: true, parts: ["offsite_password"] },
  ]);
  expect(exitCode).toBe(EXIT.attention);

  const against = await review(["--base", "main"]);
  expect(against.stdout).toMatch(/^stack lab: new, \d+ resources$/m);
  expect(against.exitCode).toBe(EXIT.attention);
  git("checkout", "--quiet", "--force", "main");
  git("branch", "--quiet", "-D", "change");
});

it("other packages are said", async () => {
  edit("package-lock.json", '"lockfileVersion": 3', '"lockfileVersion":  3');
  const { stdout, exitCode } = await review(["--base", "main"]);
  expect(stdout).toContain(
    "note: package-lock.json differs: the base was recorded with the packages of the working tree\n",
  );
  expect(exitCode).toBe(EXIT.attention);
});

it.each<[string, () => void, string[], number, string]>([
  [
    "no such base",
    () => undefined,
    ["--base", "nowhere"],
    EXIT.usage,
    "error: review: --base nowhere: no such commit\nhint: git fetch; git branch --all\n",
  ],
  [
    "no base",
    () => undefined,
    [],
    EXIT.usage,
    "error: required option '--base <ref>' not specified\nhint: foundation review --help\n",
  ],
  [
    "a configuration that is invalid",
    () => {
      edit("review/example.yaml", "mode: internal", "mode: none");
    },
    ["--base", "main"],
    EXIT.config,
    "error: the working tree: config foundation:tls.mode: is not one of: internal, acme, files: none\n" +
      "hint: pulumi config set --path foundation:tls.mode internal\n",
  ],
  [
    "a program that cannot be loaded",
    () => {
      edit("images.ts", "export const IMAGES", "export const PINS");
    },
    ["--base", "main"],
    EXIT.failed,
    "error: the working tree: the program cannot be recorded: SyntaxError: The requested module './images.ts' does not provide an export named 'IMAGES'\n" +
      "hint: correct the program; `npx pulumi preview` shows all of the error\n",
  ],
  [
    "a program that writes",
    () => {
      edit("scripts.ts", "return Object.fromEntries", 'writeFileSync("/tmp/x", "");\n  return Object.fromEntries');
      edit("scripts.ts", "import { readFileSync }", "import { readFileSync, writeFileSync }");
    },
    ["--base", "main"],
    EXIT.failed,
    "error: the working tree: the program cannot be recorded: Error: Access to this API has been restricted. Use --allow-fs-write to manage permissions.\n" +
      "hint: correct the program; `npx pulumi preview` shows all of the error\n",
  ],
  [
    "a program that opens a connection",
    () => {
      edit("scripts.ts", "return Object.fromEntries", 'connect(9, "127.0.0.1");\n  return Object.fromEntries');
      edit("scripts.ts", "import {", 'import { connect } from "node:net";\nimport {');
    },
    ["--base", "main"],
    EXIT.failed,
    "error: the working tree: the program cannot be recorded: Error: the program opens a connection while it is recorded\n" +
      "hint: correct the program; `npx pulumi preview` shows all of the error\n",
  ],
])("%s", async (_, change, args, exitCode, stderr) => {
  change();
  expect(await review(args)).toEqual({ exitCode, stdout: "", stderr });
  expect(readdirSync(scratch)).toEqual([]);
});

it("Ctrl-C leaves nothing behind", async () => {
  const { child, ended } = start(["--base", "main"]);
  while (!readdirSync(scratch).some((name) => readdirSync(join(scratch, name)).includes("base"))) await sleep(20);
  child.kill("SIGINT");
  expect((await ended).exitCode).toBe(EXIT.interrupted);
  expect(readdirSync(scratch)).toEqual([]);
});

it("in a workflow it comments on the pull request", async () => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      if (request.method === "POST") bodies.push((JSON.parse(body) as { body: string }).body);
      response.writeHead(request.method === "POST" ? 201 : 200).end(request.method === "GET" ? "[]" : "{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const event = join(directory, "event.json");
  writeFileSync(event, JSON.stringify({ pull_request: { number: 3 } }));
  const { exitCode, stdout, stderr } = await review(["--base", "main", "--post", "--markdown"], {
    GITHUB_SERVER_URL: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    GITHUB_REPOSITORY: "platform/foundation",
    GITHUB_EVENT_PATH: event,
    GITHUB_TOKEN: "t0ken",
  });
  server.close();
  expect([exitCode, stderr]).toEqual([EXIT.ok, "review: commented on pull request 3\n"]);
  expect(bodies).toEqual([stdout.slice(0, -1)]);
  expect(stdout).toContain("#### Stack `example`: nothing changes");
});
