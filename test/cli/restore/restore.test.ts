import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { EXIT } from "../../../errors.ts";
import { foundation } from "../foundation.ts";
import { startSshServer, type SshServer } from "../ssh-server.ts";
import { newSshKey } from "../../ssh-key.ts";

// The real program over real SSH connections to the VM and to another host, which are this machine; only the job is a script.

const SNAPSHOT = "c".repeat(64);
const key = newSshKey();
const path = process.env["PATH"] ?? "";
let server: SshServer;
let root: string;
let directory: string;
const at = (name: string): string => join(directory, name);

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "foundation-restore-"));
  writeFileSync(join(root, "id"), key.private, { mode: 0o600 });
  executable(root, "ssh", `exec /usr/bin/ssh -F /dev/null -i ${root}/id -o IdentitiesOnly=yes "$@"`);
  // inherited by what the server starts
  process.env["PATH"] = `${root}:${path}`;
  server = await startSshServer([key.public.split(" ").slice(0, 2).join(" ")]);
});
afterAll(() => {
  process.env["PATH"] = path;
  server.close();
  rmSync(root, { recursive: true });
});
beforeEach(() => {
  directory = mkdtempSync(join(root, "test-"));
  mkdirSync(at("extracted/postgres"), { recursive: true });
  writeFileSync(at("extracted/postgres/forgejo.dump"), "PGDMP");
  const config = {
    domain: "example.org",
    host: { address: "127.0.0.1", port: server.port, hostKey: server.hostKey },
    tls: { mode: "internal" },
    offsite: { address: "127.0.0.2", hostKey: server.hostKey.replace(/A{4}/, "AAAB") },
    forge: { admin: "operator", adminEmail: "ops@example.org", organisation: "platform" },
  };
  const entries = Object.entries(config).map(([name, value]) => [`foundation:${name}`, value]);
  writeFileSync(at("config.yaml"), stringify({ config: Object.fromEntries(entries) }));
  const result = { snapshot: SNAPSHOT, backup: "2026-01-31T12:00:16.500Z", directory: at("extracted"), content: ["a"] };
  writeFileSync(at("result"), JSON.stringify(result));
  docker('tar "$@"');
});

function executable(where: string, name: string, script: string): void {
  writeFileSync(join(where, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(where, name), 0o755);
}

/** `docker exec backup …`, of which the job itself only says what it has done. @param tar what is run instead of it */
function docker(tar: string): void {
  const script = `shift 2; echo "$@" >>${directory}/argv
case $1 in
  node) cat ${directory}/result ;;
  tar) shift; ${tar} ;;
  *) "$@" ;;
esac`;
  executable(root, "docker", script);
}

const asked = () => readFileSync(at("argv"), "utf8").split("\n")[0];
function restore(...args: string[]) {
  const target = ["--to", `root@localhost:${String(server.port)}`, "--host-key", server.hostKey];
  const into = args.includes("--into") ? [] : ["--into", at("there")];
  const config = ["--config-file", at("config.yaml")];
  return foundation(["restore", ...target, ...into, ...config, ...args], { PATH: `${root}:${path}` });
}

test("everything goes into a directory of another host, and does not stay on the VM", async () => {
  expect(await restore()).toEqual({
    exitCode: EXIT.ok,
    stderr: "",
    stdout: `backup cccccccc of 2026-01-31T12:00:16.500Z is in ${at("there")} on localhost:\n  a\n`,
  });
  expect(asked()).toBe("node /opt/backup/job.mjs restore --only all --json");
  expect(readFileSync(at("there/postgres/forgejo.dump"), "utf8")).toBe("PGDMP");
  expect([existsSync(at("extracted")), existsSync(at("there.foundation-part"))]).toEqual([false, false]);
});

test("a part goes into an empty directory; what is said as JSON", async () => {
  mkdirSync(at("there"));
  const { exitCode, stdout } = await restore("--only", "repo", "a/b", "--id", "cccccccc", "--json");
  expect([exitCode, JSON.parse(stdout)]).toEqual([
    EXIT.ok,
    expect.objectContaining({ snapshot: SNAPSHOT, to: { host: "localhost", directory: at("there") } }),
  ]);
  expect(asked()).toBe("node /opt/backup/job.mjs restore --only repo a/b --id cccccccc --json");
  expect(readdirSync(at("there"))).toEqual(["postgres"]);
});

test("a dry run looks at the other host and writes nothing", async () => {
  const { exitCode, stdout } = await restore("--dry-run");
  expect([exitCode, stdout]).toEqual([
    EXIT.ok,
    `backup cccccccc of 2026-01-31T12:00:16.500Z would be in ${at("there")} on localhost:\n  a\n`,
  ]);
  expect(asked()).toBe("node /opt/backup/job.mjs restore --only all --dry-run --json");
  expect([existsSync(at("there")), existsSync(at("extracted"))]).toEqual([false, true]);
});

test("a directory that is not empty is refused before anything is read", async () => {
  mkdirSync(at("there"));
  writeFileSync(at("there/mine"), "");
  const { exitCode, stderr } = await restore();
  expect([exitCode, stderr]).toEqual([
    EXIT.refused,
    expect.stringMatching(
      /^error: restore: \S+\/there on \S+ is not empty\nhint: --into DIR: a directory that is empty, or does not exist\n$/,
    ),
  ]);
  expect(existsSync(at("argv"))).toBe(false);
  expect(readdirSync(at("there"))).toEqual(["mine"]);
});

test.each([
  ["in the middle", 'tar "$@" | head -c 5000; exit 2;', /^error: restore: what was sent cannot be unpacked on /],
  [
    "at its end",
    'tar "$@"; echo "tar: broken" >&2; exit 2;',
    /^error: restore: cannot be read on the VM: tar: broken\n/,
  ],
])("a copy that is cut short %s leaves nothing on either side", async (_where, script, message) => {
  writeFileSync(at("extracted/large"), "x".repeat(100_000));
  docker(script);
  const { exitCode, stderr } = await restore();
  expect([exitCode, stderr]).toEqual([EXIT.failed, expect.stringMatching(message)]);
  expect(["there", "there.foundation-part", "extracted"].filter((name) => existsSync(at(name)))).toEqual([]);
});

test("another host key than the one given", async () => {
  const other = newSshKey().public.split(" ").slice(0, 2).join(" ");
  const { exitCode, stderr } = await restore("--host-key", other);
  expect([exitCode, stderr]).toEqual([EXIT.unreachable, expect.stringContaining("the pinned host key is SHA256:")]);
});

test.each<[string, string[], number, string]>([
  [
    "the VM",
    ["--to", "root@127.0.0.1"],
    EXIT.refused,
    "error: restore: root@127.0.0.1 is the VM itself\nhint: without --to, it is put beside the services there\n",
  ],
  [
    "the offsite",
    ["--to", "127.0.0.2:22"],
    EXIT.refused,
    "error: restore: 127.0.0.2:22 is the offsite, where nothing lies in clear\nhint: choose another host\n",
  ],
  [
    "a path for a shell",
    ["--into", "a;b"],
    EXIT.usage,
    "error: restore: --into: not a plain path: a;b\nhint: npx foundation restore --help\n",
  ],
  [
    "two places",
    ["--out", "x", "--only", "s3"],
    EXIT.usage,
    "error: restore: --out brings it here, --to elsewhere\nhint: npx foundation restore --help\n",
  ],
])("refused: %s", async (_what, args, exitCode, stderr) => {
  expect(await restore(...args)).toEqual({ exitCode, stdout: "", stderr });
});
