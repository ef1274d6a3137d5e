import { execFileSync, spawn, spawnSync } from "node:child_process";
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
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { EXIT } from "../../../errors.ts";
import { createKeyFile } from "../../../keys/keyfile.ts";
import { generatePassphrase } from "../../../keys/passphrase.ts";
import { foundation } from "../foundation.ts";

// The real program; ssh runs on this machine what it would run on the VM, and what it would find there is written down here.

const FIT = `os_id=debian
os_version=12
os_name=Debian 12
memory_kib=16000000
disk_free_kib=200000000
disk_mount=/
docker=20.10
`;

let passphrase: string;
let root: string;
let directory: string;
const at = (name: string): string => join(directory, name);
const read = (name: string): string => (existsSync(at(name)) ? readFileSync(at(name), "utf8") : "");

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "foundation-up-"));
  mkdirSync(join(root, "keys"));
  passphrase = await generatePassphrase();
  await createKeyFile({
    path: join(root, "keys", "prod.key.json"),
    stack: "prod",
    passphrase: Buffer.from(passphrase),
    scryptCost: 2,
  });
});
afterAll(() => rmSync(root, { recursive: true }));
beforeEach(() => {
  directory = mkdtempSync(join(root, "test-"));
  mkdirSync(join(directory, "volume", "state"), { recursive: true });
  writeFileSync(at("facts"), FIT);
  writeFileSync(at("code"), "0");
  writeConfig({ address: "198.51.100.9", hostKey: `ssh-ed25519 B${"A".repeat(67)}` });
  executable("docker", `[ "$1 $2" = "volume inspect" ] && [ -d ${directory}/volume ] && echo ${directory}/volume`);
  executable(
    "ssh",
    `for last; do :; done
case $last in
  *preflight*|"bash -s -- "*) cat ${directory}/facts; echo "clock=$(date +%s)" ;;
  *hold-lock*) echo $$ >${directory}/hold.pid; exec sh -c "$last" ;;
  *receive-kit*) [ ! -e ${directory}/no-kit ] || { printf 'kit: /var/lib/foundation is missing\\nhint: pulumi up\\n' >&2; exit 7; }
    cat >"${directory}/kit-$(date +%N).tar" ;;
  *) exit 255 ;;
esac`,
  );
  executable(
    "pulumi",
    `case $1 in
  stack) echo {} >"$6" ;;
  *) echo "$@" >${directory}/argv
    flock --nonblock ${directory}/volume/state/lock true && echo free >${directory}/lock-was || echo held >${directory}/lock-was
    . ${directory}/deployment
    exit "$(cat ${directory}/code)" ;;
esac`,
  );
  writeFileSync(at("deployment"), "true\n");
});

function executable(name: string, script: string): void {
  writeFileSync(at(name), `#!/bin/sh\n${script}\n`);
  chmodSync(at(name), 0o755);
}

function writeConfig(offsite: unknown, repository = "none"): void {
  const config = {
    domain: "foundation.invalid",
    host: { address: "203.0.113.7", hostKey: `ssh-ed25519 ${"A".repeat(68)}` },
    tls: { mode: "internal" },
    offsite,
    forge: { admin: "operator", adminEmail: "ops@example.org", organisation: "platform", repository },
    keyDirectory: join(root, "keys"),
  };
  const entries = Object.entries(config).map(([name, value]) => [`foundation:${name}`, value]);
  writeFileSync(at("config.yaml"), stringify({ config: Object.fromEntries(entries) }));
}

const environment = (given = passphrase) => ({
  PATH: `${directory}:${process.env["PATH"] ?? ""}`,
  PULUMI_CONFIG_PASSPHRASE: given,
});
const up = (...args: string[]) => foundation(["up", "--config-file", at("config.yaml"), ...args], environment());
const isFree = () => spawnSync("flock", ["--nonblock", at("volume/state/lock"), "true"]).status === 0;
const kits = () => readdirSync(directory).filter((name) => name.startsWith("kit")).length;

test("the lock is held while pulumi deploys, the kit goes to both hosts, and what is next is said", async () => {
  const { exitCode, stderr } = await up("--yes", "--", "--target", "urn:x", "--diff");
  expect([exitCode, stderr]).toEqual([
    EXIT.ok,
    expect.stringMatching(
      /^(kit: .* changed and not committed; .*\n)?kit: no share file yet \(.*\)\nup: deployed in \d+ s\nnext:\n {4}npx foundation verify --stack prod\n$/,
    ),
  ]);
  expect(read("argv")).toBe(`up --stack prod --config-file ${at("config.yaml")} --yes --target urn:x --diff\n`);
  expect(read("lock-was")).toBe("held\n");
  expect(isFree()).toBe(true);
  expect(kits()).toBe(2);
});

test("before the first deployment there is no job and no lock", async () => {
  rmSync(at("volume"), { recursive: true });
  expect((await up()).exitCode).toBe(EXIT.ok);
  expect(existsSync(at("volume"))).toBe(false);
});

test("without an offsite: a warning, no lock, no kit", async () => {
  writeConfig("none");
  const { exitCode, stderr } = await up("--yes");
  expect([exitCode, stderr]).toEqual([
    EXIT.ok,
    expect.stringContaining("warning: up: offsite is none: there is no backup outside this VM\nup: deployed in "),
  ]);
  expect([read("lock-was"), kits()]).toEqual(["free\n", 0]);
});

test("a repository elsewhere: what it does not promise, a key in clear, and the kit on the VM alone", async () => {
  const repository = "s3:https://s3.example.net/bucket";
  writeConfig({ repository, accessKeyId: "AKIA123", secretAccessKey: "key-of-the-bucket" });
  const { exitCode, stderr } = await up("--yes");
  expect([exitCode, kits()]).toEqual([EXIT.ok, 1]);
  expect(stderr).toContain(
    `warning: up: offsite is ${repository}: it is not append-only, whoever has the VM can delete the backups
warning: up: foundation:offsite.secretAccessKey stands in clear in the stack's configuration
hint: pulumi config set --path --secret foundation:offsite.secretAccessKey
`,
  );
  expect(stderr).toContain(`kit: ${repository} keeps nothing in clear: keep a clone with the key file elsewhere\n`);
  writeConfig({ repository, accessKeyId: "AKIA123", secretAccessKey: { secure: "v1:abc" } });
  expect((await up("--yes")).stderr).not.toContain("in clear in the stack's");
});

test("a deployment that fails has pulumi's exit code, no kit is sent, and the lock is free", async () => {
  writeFileSync(at("code"), "1");
  expect(await up("--yes")).toEqual({ exitCode: EXIT.failed, stdout: "", stderr: "" });
  expect([kits(), isFree()]).toEqual([0, true]);
});

test("a kit that cannot be sent: deployed, and exit code 2", async () => {
  writeFileSync(at("no-kit"), "");
  const { exitCode, stderr } = await up("--yes");
  expect(exitCode).toBe(EXIT.attention);
  expect(stderr).toContain("warning: kit: /var/lib/foundation is missing\nhint: pulumi up\nup: deployed in ");
});

test("a forge that does not get the commit: deployed, and exit code 2", async () => {
  writeConfig("none", "foundation");
  const { exitCode, stderr } = await up("--yes");
  expect([exitCode, stderr]).toEqual([
    EXIT.attention,
    expect.stringContaining(
      "warning: http://foundation.invalid: the name does not resolve\n" +
        "hint: point foundation.invalid at the VM in DNS or in /etc/hosts\nup: deployed in ",
    ),
  ]);
});

test("an unfit VM is not deployed to", async () => {
  writeFileSync(at("facts"), FIT.replace("200000000", "1000000"));
  const { exitCode, stderr } = await up("--yes");
  expect([exitCode, stderr]).toEqual([
    EXIT.host,
    expect.stringContaining("error: preflight: disk too small: 1.0 GiB free on /, "),
  ]);
  expect(read("argv")).toBe("");
});

test("a wrong passphrase stops before anything is contacted", async () => {
  executable("ssh", `touch ${at("contacted")}`);
  const { exitCode, stderr } = await foundation(["up", "--config-file", at("config.yaml")], environment("not the one"));
  expect([exitCode, stderr]).toEqual([
    EXIT.passphrase,
    expect.stringContaining("the passphrase does not open this key file"),
  ]);
  expect([existsSync(at("contacted")), read("argv")]).toEqual([false, ""]);
});

test("--dry-run is pulumi preview and contacts nobody", async () => {
  executable("ssh", `touch ${at("contacted")}`);
  expect(await up("--dry-run", "--yes", "--", "--diff")).toEqual({ exitCode: EXIT.ok, stdout: "", stderr: "" });
  expect(read("argv")).toBe(`preview --stack prod --config-file ${at("config.yaml")} --diff\n`);
  expect(existsSync(at("contacted"))).toBe(false);
});

test("a backup that runs is waited for", async () => {
  const backup = spawn("flock", [at("volume/state/lock"), "cat"]);
  await vi.waitUntil(() => !isFree(), { timeout: 5_000 });
  const ended = up("--yes");
  await vi.waitUntil(() => existsSync(at("hold.pid")), { timeout: 20_000 });
  setTimeout(() => backup.stdin.end(), 3000);
  const { exitCode, stderr } = await ended;
  expect([exitCode, read("lock-was")]).toEqual([EXIT.ok, "held\n"]);
  expect(stderr).toMatch(/^up: a backup runs on the VM, and is waited for\n/);
});

test("a lock that was lost is said, and exit code 2", async () => {
  writeFileSync(at("deployment"), `kill "$(cat ${at("hold.pid")})"; sleep 0.5\n`);
  const { exitCode, stderr } = await up("--yes");
  expect(exitCode).toBe(EXIT.attention);
  expect(stderr).toContain(
    "warning: up: the backup's lock was lost meanwhile: a backup may have seen half a deployment\n" +
      "hint: npx foundation backup now\n",
  );
});

test("Ctrl-C reaches pulumi, which ends in order; the lock is free", async () => {
  writeFileSync(
    at("deployment"),
    `trap 'echo interrupted >${at("ended")}; exit 1' INT; i=0; while [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done\n`,
  );
  const argv = ["cli/main.ts", "up", "--config-file", at("config.yaml"), "--yes"];
  const env = { ...process.env, ...environment() };
  const child = spawn(process.execPath, argv, {
    cwd: join(import.meta.dirname, "..", "..", ".."),
    env,
    stdio: "ignore",
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  await vi.waitUntil(() => read("lock-was") === "held\n", { timeout: 20_000 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.kill("SIGINT");
  expect(await ended).toBe(EXIT.interrupted);
  expect([read("ended"), isFree(), kits()]).toEqual(["interrupted\n", true, 0]);
});

test("killed, it leaves no lock behind", async () => {
  writeFileSync(at("deployment"), "exec sleep 5\n");
  const argv = ["cli/main.ts", "up", "--config-file", at("config.yaml"), "--yes"];
  const env = { ...process.env, ...environment() };
  const child = spawn(process.execPath, argv, {
    cwd: join(import.meta.dirname, "..", "..", ".."),
    env,
    stdio: "ignore",
  });
  await vi.waitUntil(() => read("lock-was") === "held\n", { timeout: 20_000 });
  child.kill("SIGKILL");
  await vi.waitUntil(() => isFree(), { timeout: 5_000 });
});

test("what the VM runs is a program that shellcheck would take", () => {
  expect(execFileSync("bash", ["-n", join(import.meta.dirname, "../../../cli/up/hold-lock.sh")]).toString()).toBe("");
});
