import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, expect, test, vi } from "vitest";

const repository = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const main = join(repository, "sandbox/engine/main.ts");
const directory = mkdtempSync(join(tmpdir(), "engine-main-"));
const config = join(directory, "Pulumi.sandbox.yaml");
let state: string;
let stack: string[];

// every run is a process that loads the SDK, which takes a while on a machine that is busy otherwise
vi.setConfig({ testTimeout: 90_000 });

symlinkSync(join(repository, "node_modules"), join(directory, "node_modules"));
writeFileSync(join(directory, "package.json"), '{"type":"module"}');
writeFileSync(config, "config:\n  foundation:name: world\n  foundation:list: [1, 2]\n");
afterAll(() => {
  rmSync(directory, { recursive: true });
});
beforeEach(() => {
  state = join(mkdtempSync(join(directory, "state-")), "state.json");
  stack = ["--state", state, "--config-file", config, "--project", directory];
});

/** A project whose resources are local commands, which write files beside it. */
function project(body: string): void {
  writeFileSync(
    join(directory, "index.ts"),
    `import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
const config = new pulumi.Config("foundation");
const run = (name: string, create: string, opts = {}) => new command.local.Command(name, { create, logging: "none" }, opts);
export default async function () {
${body}
}
`,
  );
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function engine(
  args: string[],
  onStart?: (signal: (name: NodeJS.Signals) => void, output: () => string) => void,
): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: tmpdir(),
    env: { ...process.env, PULUMI_CONFIG_PASSPHRASE: "test passphrase" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    ended.stdout += chunk;
    onStart?.(
      (name) => child.kill(name),
      () => ended.stdout,
    );
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (ended.stderr += chunk));
  return new Promise((resolve) => {
    child.on("close", (code) => {
      resolve({ code, ...ended });
    });
  });
}

const withoutTimes = (text: string) => text.replace(/\d+\.\d+s/g, "0.0s");

test("up, outputs, preview and destroy from the command line", async () => {
  project(`
  const password = new random.RandomPassword("password", { length: 20, special: false });
  const hello = run("hello", \`echo hello \${config.require("name")}; pwd\`);
  return { hello: hello.stdout, password: password.result, list: config.requireObject("list"), root: pulumi.runtime.getRootDirectory() };`);
  const up = await engine(["up", ...stack]);
  expect([up.code, up.stderr]).toEqual([0, ""]);
  expect(withoutTimes(up.stdout).split("\n").toSorted()).toEqual([
    "",
    "+ command:local:Command hello created  (0.0s)",
    "+ command:local:Command hello creating…",
    "+ random:index/randomPassword:RandomPassword password created  (0.0s)",
    "+ random:index/randomPassword:RandomPassword password creating…",
    "up: 2 created  (0.0s)",
  ]);

  const known = { hello: `hello world\n${directory}`, list: [1, 2], root: directory };
  const outputs = await engine(["outputs", "--state", state]);
  expect([outputs.code, JSON.parse(outputs.stdout)]).toEqual([0, { ...known, password: "[secret]" }]);
  const shown = await engine(["outputs", "--state", state, "--show-secrets"]);
  expect(JSON.parse(shown.stdout)).toEqual({ ...known, password: expect.stringMatching(/^[A-Za-z0-9]{20}$/) });

  const preview = await engine(["preview", "--json", ...stack]);
  expect([preview.code, preview.stderr]).toEqual([0, ""]);
  expect(JSON.parse(preview.stdout)).toEqual({
    result: "succeeded",
    changes: { create: 0, update: 0, replace: 0, delete: 0, same: 2 },
    steps: [],
    failures: [],
    outputs: { ...known, password: "[secret]" },
    durationSeconds: expect.any(Number),
  });

  const destroy = await engine(["destroy", "--json", ...stack]);
  expect(JSON.parse(destroy.stdout)).toMatchObject({ changes: { delete: 2 } });
  expect(withoutTimes(destroy.stderr)).toContain("- command:local:Command hello deleted  (0.0s)");
  expect(statSync(state).isFile()).toBe(true);
});

test("a failure ends with the exit code of what failed, and says what to do", async () => {
  project(
    `run("check", "echo 'host port 443: taken by nginx' >&2; echo 'hint: stop nginx' >&2; exit 9"); run("other", "true");`,
  );
  const { code, stdout } = await engine(["up", ...stack]);
  expect(code).toBe(9);
  expect(stdout).toContain("! command:local:Command check failed\n");
  expect(stdout).toContain("error: host port 443: taken by nginx\nhint: stop nginx\n");
  expect(withoutTimes(stdout)).toContain("up: 1 created  (0.0s)\n");
});

test("an error in apply is shown once, and nothing is deleted though the program seems to be through", async () => {
  project(`run("one", "true"); run("other", "true");`);
  await engine(["up", ...stack]);
  project(`run("one", "true").stdout.apply(() => { throw new Error("wrong in apply"); });`);
  const { code, stderr } = await engine(["up", ...stack]);
  expect(code).toBe(1);
  expect(stderr.match(/Error: wrong in apply/g)).toHaveLength(1);
  expect(readFileSync(state, "utf8").match(/"condition": "ready"/g)).toHaveLength(2);
});

test("Ctrl-C finishes the step in flight, begins no other, and the next run does the rest", async () => {
  const marker = join(directory, "marker");
  project(`const slow = run("slow", "sleep 1; touch ${marker}"); run("next", "true", { dependsOn: slow });`);
  let sent = false;
  const { code, stdout, stderr } = await engine(["up", ...stack], (signal, output) => {
    if (!sent && output().includes("slow creating")) signal("SIGINT");
    sent ||= output().includes("slow creating");
  });
  expect(code).toBe(130);
  expect(existsSync(marker)).toBe(true);
  expect(stderr).toBe("interrupted: finishing what has begun; press Ctrl-C again to leave it as it is\n");
  expect(stdout).toContain("  command:local:Command next skipped: interrupted\n");
  expect(JSON.parse((await engine(["up", "--json", ...stack])).stdout).changes).toMatchObject({ create: 1, same: 1 });
});

test("a second Ctrl-C ends it at once, and the command with it", async () => {
  const marker = join(directory, "late");
  project(`run("endless", "sleep 3; touch ${marker}");`);
  let signals = 0;
  const started = performance.now();
  const { code } = await engine(["up", ...stack], (signal, output) => {
    if (signals > 0 || !output().includes("endless creating")) return;
    signals += 1;
    signal("SIGINT");
    setTimeout(() => {
      signal("SIGINT");
    }, 300);
  });
  expect(code).toBe(130);
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, started + 5000 - performance.now())));
  expect(existsSync(marker)).toBe(false);
  expect(readFileSync(state, "utf8")).toContain('"condition": "creating"');
});

test.each<[string, string[], number, string]>([
  ["no command", [], 64, "error: engine: no command given"],
  ["an unknown command", ["deploy", "--state", "x"], 64, "error: engine: not a command: deploy"],
  ["no state", ["up"], 64, "error: engine: --state is missing"],
  ["no configuration", ["up", "--state", "x"], 64, "error: engine: --config-file is missing"],
  [
    "a bad number",
    ["up", "--state", "x", "--config-file", "y", "--parallel", "0"],
    64,
    "error: engine: --parallel: not a number above 0: 0",
  ],
  ["an unknown option", ["up", "--what"], 64, "error: engine: Unknown option '--what'"],
  [
    "a missing file",
    ["up", "--state", "x", "--config-file", "/none.yaml"],
    78,
    "error: config /none.yaml: cannot be read: ENOENT",
  ],
])("%s is refused", async (_what, args, code, message) => {
  const ended = await engine(args);
  expect([ended.code, ended.stdout]).toEqual([code, ""]);
  expect(ended.stderr.startsWith(message)).toBe(true);
  expect(ended.stderr).toContain("\nhint: ");
});
