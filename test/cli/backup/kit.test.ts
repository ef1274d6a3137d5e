import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { verifyKit } from "../../../cli/backup/dr-fetch.ts";
import { collectKit } from "../../../cli/backup/kit.ts";
import { createRun } from "../../../cli/exec.ts";
import type { Shell } from "../../../cli/shell.ts";
import type { Stack } from "../../../cli/stack.ts";
import { parseConfig } from "../../../config.ts";
import { EXIT } from "../../../errors.ts";

const key = `ssh-ed25519 ${"A".repeat(68)}`;
const config = parseConfig({
  domain: "example.org",
  host: { address: "203.0.113.7", hostKey: key },
  tls: { mode: "internal" },
  offsite: { address: "198.51.100.9", hostKey: key.replace("A", "B") },
  forge: { admin: "operator", adminEmail: "ops@example.org", organisation: "platform" },
});

let root: string;
let project: string;
let notices: string[];
let shell: Shell;
let stack: Stack;

const git = (...args: string[]) =>
  execFileSync("git", ["-C", project, "-c", "user.name=a", "-c", "user.email=a@example.org", ...args]).toString();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "foundation-kit-test-"));
  project = join(root, "project");
  mkdirSync(join(project, "docs"), { recursive: true });
  writeFileSync(join(project, "docs", "recovery.md"), "VM of STACK at DOMAIN, offsite OFFSITE_USER@OFFSITE_ADDRESS\n");
  git("init", "--quiet", "--initial-branch=main");
  git("add", ".");
  git("commit", "--quiet", "--message=first");
  writeFileSync(join(root, "prod.key.json"), "key\n");
  writeFileSync(join(root, "Pulumi.prod.yaml"), "config: {}\n");
  writeFileSync(join(root, "export.json"), "{}\n");
  notices = [];
  const run = createRun({ PATH: "/usr/bin:/bin" }, new AbortController().signal);
  shell = { projectDirectory: project, run, notice: (text: string) => notices.push(text) } as unknown as Shell;
  stack = { name: "prod", config, keyFile: join(root, "prod.key.json") };
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function empty(name: string): string {
  mkdirSync(join(root, name));
  return join(root, name);
}

test("a kit has the repository, keys, configuration, state, images and runbook, each with its hash", async () => {
  const directory = empty("kit");
  writeFileSync(join(root, "prod.shares.json"), "shares\n");
  const source = { configFile: join(root, "Pulumi.prod.yaml"), stateFile: join(root, "export.json") };
  const manifest = await collectKit(shell, stack, source, directory);
  expect(readdirSync(directory).sort()).toEqual([
    "Pulumi.prod.yaml",
    "RECOVERY.md",
    "images.json",
    "kit.json",
    "prod.key.json",
    "prod.shares.json",
    "repository.bundle",
    "state.json",
  ]);
  expect(manifest).toMatchObject({ version: 1, stack: "prod", commit: git("rev-parse", "HEAD").trim() });
  expect(manifest.files["prod.key.json"]).toEqual({
    bytes: 4,
    sha256: createHash("sha256").update("key\n").digest("hex"),
  });
  expect(readFileSync(join(directory, "RECOVERY.md"), "utf8")).toBe(
    "VM of prod at example.org, offsite root@198.51.100.9\n",
  );
  execFileSync("git", ["clone", "--quiet", join(directory, "repository.bundle"), join(root, "clone")]);
  expect(readdirSync(join(root, "clone"))).toContain("docs");
  expect(await verifyKit(directory)).toEqual(manifest);
  expect(notices).toEqual([]);
});

test("what is missing or not committed is said", async () => {
  writeFileSync(join(project, "docs", "recovery.md"), "changed\n");
  const manifest = await collectKit(shell, stack, { configFile: join(root, "Pulumi.prod.yaml") }, empty("kit"));
  expect(Object.keys(manifest.files)).not.toContain("state.json");
  expect(notices).toEqual([
    "kit: 1 file is changed and not committed; the kit has the repository as committed",
    `kit: no share file yet (${root}/prod.shares.json)`,
    "kit: without Pulumi's state, which a rebuild does not need: pulumi: not installed",
  ]);
});

test("a file that is not what the manifest says is named", async () => {
  const directory = empty("kit");
  await collectKit(shell, stack, { configFile: join(root, "Pulumi.prod.yaml") }, directory);
  writeFileSync(join(directory, "prod.key.json"), "kez\n");
  await expect(verifyKit(directory)).rejects.toThrow("dr: kit: prod.key.json is not what the manifest says");
  rmSync(join(directory, "prod.key.json"));
  await expect(verifyKit(directory)).rejects.toThrow("dr: kit: prod.key.json is missing");
  rmSync(join(directory, "kit.json"));
  await expect(verifyKit(directory)).rejects.toThrow("dr: the backup has no kit");
});

test("receive-kit.sh replaces file by file, removes what is no longer part of it, and needs a deployed host", () => {
  const script = new URL("../../../cli/backup/receive-kit.sh", import.meta.url).pathname;
  const archive = (names: string[]) => {
    const from = mkdtempSync(join(root, "from-"));
    for (const name of names) writeFileSync(join(from, name), `${name}\n`);
    return execFileSync("tar", ["-cf", "-", "-C", from, ...names]);
  };
  const target = join(root, "host", "kit");
  const receive = (names: string[]) => {
    const { status, stderr } = spawnSync("bash", [script, target, "0750", "0"], { input: archive(names) });
    return { status, stderr: stderr.toString() };
  };
  const missing = `kit: ${join(root, "host")} is missing\nhint: pulumi up\n`;
  expect(receive(["kit.json", "a"])).toEqual({ status: EXIT.unreachable, stderr: missing });
  mkdirSync(join(root, "host"));
  expect(receive(["kit.json", "a", "b"])).toEqual({ status: 0, stderr: "" });
  const before = statSync(target).ino;
  receive(["kit.json", "b", "c"]);
  expect(readdirSync(target).sort()).toEqual(["b", "c", "kit.json"]);
  expect(statSync(target).ino).toBe(before);
  expect(statSync(join(target, "b")).mode & 0o777).toBe(0o640);
  expect(readdirSync(join(root, "host"))).toEqual(["kit"]);
});
