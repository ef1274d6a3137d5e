import { spawn } from "node:child_process";
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
import { parse, stringify } from "yaml";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { EXIT } from "../../../errors.ts";
import { createKeyFile } from "../../../keys/keyfile.ts";
import { generatePassphrase } from "../../../keys/passphrase.ts";
import { foundation } from "../foundation.ts";

// The real program; ssh and pulumi are scripts that write down what they are asked, and answer what is written here.

const key = (character: string) => `ssh-ed25519 ${character.repeat(68)}`;
const SCRATCH = "198.51.100.20";
const VM_ID = "0123456789abcdef".repeat(2);
const JOURNAL = {
  ...{ version: 1, phase: "done", mode: "restored", request: "auto", snapshot: "c".repeat(64) },
  ...{ backup: "2026-01-31T11:00:00Z", seconds: { stage: 1 } },
};
const CHECKED = {
  ...{ version: 1, owner: "x", outcome: "passed", exitCode: 0, started: "2026-01-31T12:00:00.000Z", seconds: 1 },
  backup: { snapshot: "c".repeat(64), run: "r", finished: "2026-01-31T11:00:00Z" },
  phases: [{ name: "canary", outcome: "passed", startSecond: 0, seconds: 1, detail: "all four", problems: [] }],
};

let passphrase: string;
let root: string;
let directory: string;
const at = (name: string): string => join(directory, name);
const read = (name: string): string => (existsSync(at(name)) ? readFileSync(at(name), "utf8") : "");
const files = () => ["prod.key.json", "prod.shares.json"].map((name) => readFileSync(join(root, "keys", name), "utf8"));

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "foundation-scratch-"));
  mkdirSync(join(root, "keys"));
  passphrase = await generatePassphrase();
  const path = join(root, "keys", "prod.key.json");
  await createKeyFile({ path, stack: "prod", passphrase: Buffer.from(passphrase), scryptCost: 2 });
  writeFileSync(join(root, "keys", "prod.shares.json"), "{}\n");
});
afterAll(() => rmSync(root, { recursive: true }));
beforeEach(() => {
  directory = mkdtempSync(join(root, "test-"));
  mkdirSync(at("tmp"));
  writeConfig({ address: "198.51.100.9", hostKey: key("B") });
  writeFileSync(
    at("preflight"),
    "os_id=debian\nos_version=12\nmemory_kib=16000000\ndisk_free_kib=200000000\ndocker=20.10\n",
  );
  for (const step of ["begin", "seed", "clean", "deployment"]) writeFileSync(at(step), "true\n");
  facts(JOURNAL);
  writeFileSync(at("check"), `echo '${JSON.stringify(CHECKED)}'\n`);
  const status = `owner=x\\ngeneration={"generation":1,"vmId":"${VM_ID}"}\\nkey_hint=${"ab".repeat(32)}\\n`;
  executable(
    "ssh",
    `for last; do :; done
case $last in
  *offsite\\ status) echo status >>${directory}/asked; printf '${status}' ;;
  "bash -s -- 80 "*) cat ${directory}/preflight; echo "clock=$(date +%s)" ;;
  "bash -s -- git forgejo-data git/repositories") echo git >>${directory}/asked; echo 'fsck 3' ;;
  "bash -c "*) set -- $(printf %s "$last" | tail -n 1 | sed "s/.*scratch-host//"); echo "$1" >>${directory}/asked
    [ "$1" != check ] || cat >${directory}/given
    . ${directory}/$1 ;;
  *) exit 255 ;;
esac`,
  );
  executable(
    "pulumi",
    `echo "pulumi $*" | sed "s,$TMPDIR/[^/ ]*,DIR,g" >>${directory}/asked
echo "$PULUMI_BACKEND_URL" | sed "s,$TMPDIR/[^/ ]*,DIR,g" >>${directory}/backend
cp "$TMPDIR"/*/Pulumi.prod.yaml ${directory}/copy.yaml
echo said by pulumi
if [ "$1" = up ]; then . ${directory}/deployment; fi`,
  );
});

function executable(name: string, script: string): void {
  writeFileSync(at(name), `#!/bin/sh\n${script}\n`);
  chmodSync(at(name), 0o755);
}

function facts(journal: object): void {
  const now = Date.now() / 1000;
  const made = (name: string) => `container=/${name} "${new Date().toISOString()}"`;
  const lines = ["postgres", "forgejo", "caddy"].map(made);
  const all = [`network=a "${new Date().toISOString()}"`, ...lines, `seed=${JSON.stringify(journal)}`];
  const text = [...all, `seed_written=${String(now)}`, `vault_opened=${String(now)}`, `clock=${String(now)}`].join(
    "\n",
  );
  writeFileSync(at("facts.txt"), `${text}\n`);
  writeFileSync(at("facts"), `cat ${directory}/facts.txt\n`);
}

function writeConfig(offsite: unknown): void {
  const config = {
    domain: "example.org",
    host: { address: "203.0.113.7", hostKey: key("A") },
    tls: { mode: "acme", email: "ops@example.org" },
    offsite,
    forge: { admin: "operator", adminEmail: "ops@example.org", organisation: "platform" },
    keyDirectory: join(root, "keys"),
  };
  const entries = Object.entries(config).map(([name, value]) => [`foundation:${name}`, value]);
  writeFileSync(at("config.yaml"), stringify({ encryptionsalt: "v1:x", config: Object.fromEntries(entries) }));
}

const environment = () => ({
  PATH: `${directory}:${process.env["PATH"] ?? ""}`,
  TMPDIR: at("tmp"),
  PULUMI_CONFIG_PASSPHRASE: passphrase,
});
const TO = ["--from-scratch", "--to", SCRATCH, "--host-key", key("C")];
const run = (...args: string[]) => foundation(["drill", "--config-file", at("config.yaml"), ...args], environment());
const asked = () =>
  read("asked")
    .trim()
    .split("\n")
    .map((line) => line.split(" ").slice(0, 3).join(" "));
const REMOVAL = `npx foundation drill --from-scratch --remove --to root@${SCRATCH}:22 --host-key '${key("C")}'`;

test.each<[string[], string]>([
  [["--to", SCRATCH], "--to, --host-key, --keep and --remove go with --from-scratch"],
  [["--keep"], "--to, --host-key, --keep and --remove go with --from-scratch"],
  [["--from-scratch", "--to", SCRATCH], "--from-scratch needs --to HOST and --host-key KEY"],
  [[...TO, "--remove", "--keep"], "--remove goes alone"],
  [[...TO, "--remove", "--json"], "--remove goes alone"],
  [["--from-scratch", "--to", "a b", "--host-key", key("C")], "not a host: a b"],
])("%j is refused", async (args, message) => {
  const { exitCode, stderr } = await run(...args);
  expect([exitCode, stderr.split("\n")[0]]).toEqual([EXIT.usage, `error: drill: ${message}`]);
});

test.each([
  ["203.0.113.7", key("C"), "203.0.113.7 is the VM itself"],
  [SCRATCH, key("A"), `${SCRATCH} is the VM itself`],
  ["198.51.100.9", key("C"), "198.51.100.9 is the offsite"],
  [SCRATCH, key("B"), `${SCRATCH} is the offsite`],
])("%s with %s is none to bring anything back on", async (address, hostKey, message) => {
  const { exitCode, stderr } = await run("--from-scratch", "--to", address, "--host-key", hostKey);
  expect([exitCode, stderr]).toEqual([
    EXIT.refused,
    `error: drill: ${message}\nhint: choose a host that has nothing of anybody's\n`,
  ]);
  expect(read("asked")).toBe("");
});

test("a stack of its own is deployed, compared and removed; the real one's files stay as they are", async () => {
  const before = files();
  const { exitCode, stdout, stderr } = await run(...TO, "--json", "--report", at("report"));
  expect([exitCode, stderr]).toEqual([
    EXIT.ok,
    `drill: taking ${SCRATCH}
drill: deploying; that begins with the newest backup
said by pulumi
drill: comparing what came back with the backup
drill: cleaning up ${SCRATCH}
`,
  ]);
  expect(read("asked")).toBe(`status
begin
pulumi -C DIR stack init prod --secrets-provider passphrase --no-select --non-interactive
pulumi up --stack prod --config-file DIR/Pulumi.prod.yaml --yes --skip-preview --suppress-outputs --suppress-progress --non-interactive --color never
facts
facts
check
git
clean
`);
  expect(read("backend")).toBe("file://DIR/state\nfile://DIR/state\n");
  const copy = parse(read("copy.yaml")) as { encryptionsalt: string; config: Record<string, unknown> };
  expect([copy.encryptionsalt, copy.config]).toMatchObject([
    "v1:x",
    {
      "foundation:host": { address: SCRATCH, user: "root", port: 22, hostKey: key("C") },
      "foundation:tls": { mode: "internal" },
      "foundation:drill": { asVm: VM_ID, keyHint: "ab".repeat(32) },
    },
  ]);
  expect(String(copy.config["foundation:keyDirectory"])).toMatch(/\/tmp\/foundation-drill-\w+\/keys$/);
  expect(read("given")).toMatch(/^\S+\n\S+\n$/);
  const report = JSON.parse(stdout) as { phases: { name: string }[] };
  expect(report).toMatchObject({ outcome: "passed", backup: CHECKED.backup, rebuilt: { seconds: expect.any(Number) } });
  expect(report.phases.map(({ name }) => name)).toEqual([
    ...["preparing", "host", "images", "stores", "restore: stage", "Vault", "Forgejo", "Caddy"],
    ...["check: canary", "check: git fsck", "cleaning up"],
  ]);
  expect(JSON.parse(read("report/drill.json"))).toEqual(report);
  expect(read("report/drill.html")).toContain("passed: this backup can be restored");
  expect([files(), readdirSync(at("tmp"))]).toEqual([before, []]);
});

test("a bad backup fails the drill: the restore is done once more, and says why", async () => {
  writeFileSync(at("deployment"), "exit 1\n");
  facts({ ...JOURNAL, phase: "restoring" });
  writeFileSync(at("seed"), "printf 'seed: x\\nerror: restic: pack 1234 is damaged\\nhint: look\\n' >&2; exit 1\n");
  const { exitCode, stdout } = await run(...TO);
  expect([exitCode, stdout]).toEqual([
    EXIT.failed,
    expect.stringContaining("\nrestic: pack 1234 is damaged\nFAILED: "),
  ]);
  expect(asked().slice(-4)).toEqual(["facts", "seed", "facts", "clean"]);
});

test.each<[string, string, number, string]>([
  ["an offsite that is gone", "offsite: 198.51.100.9:8000: ECONNREFUSED", EXIT.unreachable, "exit 7"],
  ["an offsite that goes meanwhile", "restic: Fatal: connection reset by peer", EXIT.unreachable, "exit 1"],
  ["a deployment that did not get there", "drill: the deployment stopped before", EXIT.host, "exit 9"],
])("%s is no verdict", async (_, message, code, exit) => {
  writeFileSync(at("deployment"), "exit 1\n");
  writeFileSync(at("facts"), "echo clock=1.0\n");
  writeFileSync(at("seed"), `printf 'error: ${message}\\nhint: look\\n' >&2; ${exit}\n`);
  const { exitCode, stdout } = await run(...TO);
  expect([exitCode, stdout]).toEqual([code, expect.stringContaining("\nERROR: the drill could not look;")]);
  expect(asked().at(-1)).toBe("clean");
});

test("a deployment that stops after a whole restore is compared all the same", async () => {
  writeFileSync(at("deployment"), "exit 1\n");
  const failed = { ...CHECKED.phases[0], name: "Vault", outcome: "failed", problems: ["Vault: sealed"] };
  writeFileSync(at("check"), `echo '${JSON.stringify({ ...CHECKED, outcome: "failed", phases: [failed] })}'; exit 1\n`);
  const { exitCode, stdout } = await run(...TO);
  expect([exitCode, stdout]).toEqual([EXIT.failed, expect.stringContaining("\nVault: sealed\nFAILED: ")]);
});

test("without a backup there is nothing to hold a drill of", async () => {
  facts({ ...JOURNAL, mode: "fresh", snapshot: null, backup: null, seconds: {} });
  const { exitCode, stdout } = await run(...TO);
  expect([exitCode, stdout]).toEqual([EXIT.attention, expect.stringContaining("drill: there is no backup yet")]);
});

test("a host with a foundation is refused, and left alone", async () => {
  const words = "drill: this host has a foundation, or the backups of one: /etc/foundation";
  writeFileSync(at("begin"), `printf '${words}\\nhint: choose another one\\n' >&2; exit 8\n`);
  const { exitCode, stderr } = await run(...TO);
  expect([exitCode, stderr.split("\n").slice(-3)]).toEqual([
    EXIT.refused,
    [`error: ${words}`, "hint: choose another one", ""],
  ]);
  expect(asked()).toEqual(["status", "begin"]);
});

test("an unfit host is given back", async () => {
  writeFileSync(at("preflight"), "os_id=debian\nos_version=12\nmemory_kib=16000000\ndisk_free_kib=1\ndocker=20.10\n");
  const { exitCode, stderr } = await run(...TO);
  expect([exitCode, stderr]).toEqual([EXIT.host, expect.stringContaining("error: drill: the scratch host is unfit")]);
  expect(asked()).toEqual(["status", "begin", "clean"]);
});

test("what cannot be removed is named, and what is kept, with the command that removes it", async () => {
  writeFileSync(at("clean"), "printf 'drill: busy\\nhint: wait\\n' >&2; exit 1\n");
  const left = await run(...TO);
  expect([left.exitCode, left.stderr]).toEqual([
    EXIT.attention,
    expect.stringContaining(`warning: drill: busy\nhint: ${REMOVAL}\n`),
  ]);
  const kept = await run(...TO, "--keep");
  expect([kept.exitCode, kept.stderr]).toEqual([
    EXIT.ok,
    expect.stringContaining(`drill: kept on ${SCRATCH}; it goes with: ${REMOVAL}\n`),
  ]);
  expect(asked().slice(-2)).toEqual(["check", "git"]);
  writeFileSync(at("clean"), "true\n");
  expect(await run(...TO, "--remove")).toEqual({ exitCode: EXIT.ok, stdout: "", stderr: "" });
  expect(asked().at(-1)).toBe("clean");
});

test("Ctrl-C ends the deployment and gives the host back", async () => {
  writeFileSync(
    at("deployment"),
    `trap 'echo ended >>${directory}/asked; exit 130' INT; echo begun >>${directory}/asked; while :; do sleep 0.1; done\n`,
  );
  const argv = [join(import.meta.dirname, "../../../cli/main.ts"), "drill", "--config-file", at("config.yaml"), ...TO];
  const child = spawn(process.execPath, argv, { env: { ...process.env, ...environment() }, stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await vi.waitFor(() => expect(asked().at(-1)).toBe("begun"), { timeout: 15_000, interval: 50 });
  child.kill("SIGINT");
  expect(await ended).toBe(EXIT.interrupted);
  expect([asked().slice(-2), readdirSync(at("tmp"))]).toEqual([["ended", "clean"], []]);
});
