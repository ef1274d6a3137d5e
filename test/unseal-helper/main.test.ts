import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { deriveSecrets } from "../../keys/derive.ts";
import { openKeyFile } from "../../keys/keyfile.ts";
import { KEY_FILE, PASSPHRASE as passphrase } from "../keys/fixture.ts";
import { FakeVm } from "./fake-vm.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEw9yl2wxFCGfOWn5SJupUXbM+9otHauUy1D0UgAumjN";
const vm = new FakeVm();
const keys = join(vm.directory, "keys");
const keyFile = join(keys, "prod.key.json");
const shareFile = join(keys, "prod.shares.json");
let masterKey: Buffer;
let everything = "";

beforeAll(async () => {
  mkdirSync(keys);
  copyFileSync(KEY_FILE, keyFile);
  masterKey = await openKeyFile({ path: keyFile, passphrase: Buffer.from(passphrase) });
  await vm.start(deriveSecrets(masterKey).ownerId);
});
afterAll(() => vm.stop());

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the real program as its own process, with the passphrase in the environment unless said otherwise. */
async function helper(argv: string, more: { env?: Record<string, string>; fd3?: string } = {}): Promise<Result> {
  const args = ["unseal-helper/main.ts", ...argv.split(" "), "--keys", keys];
  const isFirst = /^(init|ensure)/.test(argv);
  if (isFirst || argv.includes("--host")) args.push("--host-key", hostKey);
  if (isFirst) args.push("--host", "root@vm.test");
  const env = vm.environment(
    more.env ?? { PULUMI_CONFIG_PASSPHRASE: passphrase, PULUMI_CONFIG: "{}", VAULT_TOKEN: "x" },
  );
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe", "pipe"] });
  const fd3 = child.stdio[3] as NodeJS.WritableStream;
  fd3.end(more.fd3 ?? "");
  const result: Result = { code: null, stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk: Buffer) => (result.stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (result.stderr += chunk.toString()));
  result.code = await new Promise((resolve) => child.on("close", resolve));
  everything += result.stdout + result.stderr;
  return result;
}

// Each run is a process of its own, on machines that may be busy.
describe("the program", { timeout: 60_000 }, () => {
  it("tells a Vault that was never initialised, without a passphrase", async () => {
    const result = await helper("status --host root@vm.test", { env: {} });
    expect(result).toEqual({ code: 3, stdout: "vault 0.0.0: never initialised; no shares in the file\n", stderr: "" });
  });

  it("cannot open anything without knowing where Vault runs", async () => {
    expect(await helper("unseal")).toEqual({
      code: 64,
      stdout: "",
      stderr:
        `error: ${shareFile}: does not say where Vault runs\n` +
        'hint: give --host USER@ADDR and --host-key "TYPE KEY" (ssh-keyscan -t ed25519 ADDR)\n',
    });
  });

  it("says what it would do, and does not do it", async () => {
    expect(await helper("ensure --dry-run")).toEqual({
      code: 0,
      stdout: "would initialise a new epoch\nwould unseal\nwould set up the AppRole pulumi and revoke the root token\n",
      stderr: "",
    });
    expect((await helper("init --dry-run --json")).stdout).toBe('{"plan":["initialise a new epoch","unseal"]}\n');
    expect(vm.vault.storage).toBeUndefined();
    expect(existsSync(shareFile)).toBe(false);
  });

  it("initialises, and then has nothing to do", async () => {
    const initialised = await helper("init");
    expect(initialised).toMatchObject({ code: 0 });
    expect(initialised.stdout).toMatch(/^vault 0\.0\.0: initialised, unsealed \(epoch \S+\)\n$/);
    expect(vm.vault.storage?.hasData).toBe(false);
    expect((await helper("status", { env: {} })).code).toBe(6);
    const first = await helper("ensure");
    expect(first.stdout).toMatch(/^vault 0\.0\.0: bootstrapped, audit device file made, .* \(epoch \S+\)\n$/);
    expect(readFileSync(join(vm.volume, ".foundation-epoch"), "utf8")).toMatch(/^\S+ STORED\n$/);
    const second = await helper("ensure --json");
    expect(second).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(second.stdout)).toMatchObject({ actions: [], version: "0.0.0" });
    const third = await helper("ensure --json --readers ci,backup");
    expect(JSON.parse(third.stdout)).toMatchObject({ actions: ["secret id of ci made", "secret id of backup made"] });
    const fourth = await helper("ensure --json --job-login actions --readers ci,backup");
    expect(JSON.parse(fourth.stdout)).toMatchObject({ actions: ["login of jobs actions made"] });
    expect(await helper("ensure --job-login auth/jobs")).toEqual({
      code: EXIT.usage,
      stdout: "",
      stderr: 'error: --job-login: not the path of a login: "auth/jobs"\nhint: --job-login actions\n',
    });
    expect(JSON.parse((await helper("ensure --json --readers consumer-x --remove-consumers")).stdout)).toMatchObject({
      actions: ["secret id of consumer-x made"],
    });
    expect((await helper("ensure --readers ci --remove-consumers --dry-run")).stdout).toBe(
      "would take the AppRole consumer-x\n",
    );
    expect((await helper("ensure --readers ci --remove-consumers")).stdout).toMatch(/: AppRole consumer-x taken \(/);
    expect(await helper("ensure --remove-consumers")).toEqual({
      code: EXIT.usage,
      stdout: "",
      stderr: "error: --remove-consumers: needs --readers\nhint: --readers operator,backup\n",
    });
    expect(await helper("ensure --readers ci,Ops")).toEqual({
      code: EXIT.usage,
      stdout: "",
      stderr: 'error: --readers: not the name of an AppRole: "Ops"\nhint: --readers operator,backup\n',
    });
  });

  it("seals and opens with nothing but the files and the passphrase", async () => {
    expect(await helper("seal")).toEqual({ code: 0, stdout: "vault 0.0.0: sealed\n", stderr: "" });
    expect((await helper("status", { env: {} })).code).toBe(2);
    expect(await helper("unseal --dry-run")).toEqual({ code: 0, stdout: "would unseal\n", stderr: "" });
    const passphraseFile = join(vm.directory, "passphrase");
    writeFileSync(passphraseFile, `${passphrase}\n`);
    const fromFile = await helper("verify --offline", { env: { PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile } });
    expect(fromFile).toMatchObject({ code: 0, stderr: "" });
    const result = await helper("unseal --passphrase-fd 3", { env: {}, fd3: `${passphrase}\n` });
    expect(result).toEqual({ code: 0, stdout: "vault 0.0.0: unsealed\n", stderr: "" });
    expect((await helper("status --json", { env: {} })).code).toBe(0);
  });

  it("leaves nothing on the VM but its marker", () => {
    expect(readdirSync(vm.volume)).toEqual([".foundation-epoch"]);
    const scripts = vm.sshCalls().filter(({ argv }) => argv[0] !== "-W" && !argv.at(-1)?.includes("flock"));
    expect(scripts.length).toBeGreaterThan(5);
    expect(scripts.filter(({ argv }) => !/^timeout (60|120) bash -s -- /.test(argv.at(-1) ?? ""))).toEqual([]);
  });

  it.each<[string, string, string, string]>([
    [
      "a VM that is not there",
      "ssh: connect to host vm.test port 22: No route to host",
      "vm vm.test: cannot be reached: ssh: connect to host vm.test port 22: No route to host",
      "ssh -p 22 root@vm.test",
    ],
    [
      "a VM with another host key",
      "Host key verification failed.",
      "vm vm.test: shows another host key than the pinned one",
      "compare: ssh-keyscan -p 22 vm.test; a VM that was rebuilt on purpose needs its new key pinned",
    ],
  ])("names %s", async (_, complaint, message, hint) => {
    const env = { PULUMI_CONFIG_PASSPHRASE: passphrase, FAKE_SSH_ERROR: complaint };
    const expected = { code: 7, stdout: "", stderr: `error: ${message}\nhint: ${hint}\n` };
    expect(await helper("seal", { env })).toEqual(expected);
  });

  it("uses one connection for all requests, and the pinned host key for each", async () => {
    const before = vm.sshCalls().length;
    const requestsBefore = vm.requests.length;
    await helper("unseal");
    const [call, ...more] = vm.sshCalls().slice(before);
    expect(more).toEqual([]);
    expect(call?.argv.slice(0, 2)).toEqual(["-W", "127.0.0.1:8200"]);
    expect(call?.argv).toContain(`KnownHostsCommand=/bin/echo %H ${hostKey}`);
    expect(vm.requests.length - requestsBefore).toBeGreaterThan(2);
  });

  it.each<[string, Record<string, string>, number, string]>([
    ["no passphrase", {}, 4, "passphrase: none given"],
    [
      "a wrong passphrase",
      { PULUMI_CONFIG_PASSPHRASE: "x" },
      4,
      `${keyFile}: the passphrase does not open this key file`,
    ],
  ])("contacts nothing with %s", async (_, env, code, message) => {
    const before = vm.sshCalls().length;
    const result = await helper("unseal", { env });
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr.split("\n")[0]).toBe(`error: ${message}`);
    expect(vm.sshCalls()).toHaveLength(before);
  });

  it.each([keyFile, shareFile])("contacts nothing when %s was tampered with", async (path) => {
    const intact = readFileSync(path, "utf8");
    writeFileSync(path, intact.replace(/"sealed": "./, '"sealed": "_'));
    const before = vm.sshCalls().length;
    const result = await helper("unseal");
    writeFileSync(path, intact);
    expect(result).toMatchObject({ code: 5, stdout: "" });
    expect(result.stderr).toContain(`error: ${path}: damaged: its checksum does not match its content`);
    expect(vm.sshCalls()).toHaveLength(before);
  });

  it("works on the VM through sudo where the user is not root", async () => {
    expect(await helper("seal --host debian@vm.test")).toMatchObject({ code: 0, stdout: "vault 0.0.0: sealed\n" });
    const commands = vm.sshCalls().map(({ argv }) => argv.at(-1));
    expect(commands).toContain(`sudo -n timeout 120 bash -s -- ${deriveSecrets(masterKey).ownerId} restart`);
    expect((await helper("unseal")).code).toBe(0);
  });

  it("says what is missing on the VM, and what makes it", async () => {
    const env = { PULUMI_CONFIG_PASSPHRASE: passphrase, FAKE_MISSING: "1" };
    expect(await helper("seal", { env })).toEqual({
      code: 7,
      stdout: "",
      stderr: "error: vm: no container named vault\nhint: pulumi up\n",
    });
  });

  it("leaves a container of another owner alone", async () => {
    const env = { PULUMI_CONFIG_PASSPHRASE: passphrase, FAKE_OWNER: "somebody" };
    const { ownerId } = deriveSecrets(masterKey);
    expect(await helper("seal", { env })).toEqual({
      code: 8,
      stdout: "",
      stderr:
        `error: vm: the container vault belongs to "somebody", not to this foundation (${ownerId})\n` +
        "hint: docker container inspect vault (on the VM)\n",
    });
  });

  it("never shows a secret: not in output, arguments, environment or files", () => {
    const seen = [
      everything,
      JSON.stringify(vm.sshCalls()),
      readFileSync(keyFile, "utf8"),
      readFileSync(shareFile, "utf8"),
    ].join("\n");
    const { secretId } = deriveSecrets(masterKey).vaultAppRole("pulumi");
    const secrets = [
      passphrase,
      secretId,
      masterKey.toString("hex"),
      masterKey.toString("base64"),
      ...vm.vault.secrets,
    ];
    expect(secrets.length).toBeGreaterThan(14);
    expect(secrets.filter((secret) => seen.includes(secret))).toEqual([]);
    const names = vm.sshCalls().flatMap(({ env }) => Object.keys(env));
    expect(names.filter((name) => /^(PULUMI|VAULT)/.test(name))).toEqual([]);
  });
});
