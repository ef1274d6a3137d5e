import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openKeyFile, openWithRecoveryKey } from "../../keys/keyfile.ts";
import { EXIT } from "../../errors.ts";
import { foundation } from "./foundation.ts";

let directory: string;
let options: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "foundation-init-"));
  const config = join(directory, "Pulumi.prod.yaml");
  writeFileSync(config, `config:\n  foundation:keyDirectory: ${directory}/keys\n`);
  options = ["--config-file", config];
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

describe("foundation init", () => {
  test("writes a passphrase and a recovery sheet that both open the key file", async () => {
    const passphraseFile = join(directory, "passphrase");
    const sheetFile = join(directory, "sheet");
    const outputs = ["--passphrase-out", passphraseFile, "--recovery-out", sheetFile];
    const { exitCode, stdout, stderr } = await foundation(["init", ...options, ...outputs]);
    const path = join(directory, "keys", "prod.key.json");
    const passphrase = readFileSync(passphraseFile, "utf8").trim();
    const sheet = readFileSync(sheetFile, "utf8");

    expect(exitCode).toBe(EXIT.ok);
    expect(passphrase).toMatch(/^[a-z0-9'’.-]+(-[^-]+){6}$/);
    expect(statSync(passphraseFile).mode & 0o777).toBe(0o600);
    expect(statSync(sheetFile).mode & 0o777).toBe(0o600);
    expect(stdout + stderr).not.toContain(passphrase);
    expect(stderr).toContain(`export PULUMI_CONFIG_PASSPHRASE_FILE=${passphraseFile}\n`);

    const masterKey = await openKeyFile({ path, passphrase: Buffer.from(passphrase) });
    const recoveryKey = [...sheet.matchAll(/^ {4}(\d: .*)$/gm)].map(([, line]) => line).join("\n");
    expect(await openWithRecoveryKey({ path, recoveryKey })).toEqual(masterKey);
  });

  test("takes the passphrase from the environment and shows it nowhere", async () => {
    const passphrase = "ladder-oxygen-violin-cactus-meadow-turbine-quartz";
    const { exitCode, stdout, stderr } = await foundation(
      ["init", ...options, "--recovery-out", join(directory, "sheet")],
      { PULUMI_CONFIG_PASSPHRASE: passphrase },
    );
    expect({ exitCode, stdout }).toEqual({ exitCode: EXIT.ok, stdout: "" });
    expect(stderr).not.toContain(passphrase);
    expect(stderr).toContain("read -rs PULUMI_CONFIG_PASSPHRASE && export PULUMI_CONFIG_PASSPHRASE\n");
  });

  test("in a terminal, shows passphrase and sheet once", async () => {
    const command = [process.execPath, join(import.meta.dirname, "..", "..", "cli", "main.ts"), "init", ...options];
    // util-linux's script gives the command a terminal and passes on what it shows. At the end of its own input it may
    // stop before the command's last output is there; a pipe that is open for writing has no end.
    const script = 'mkfifo "$2" && exec script -qec "$1" /dev/null <>"$2"';
    const argv = ["-c", script, "sh", command.join(" "), join(directory, "input")];
    const { stdout } = spawnSync("sh", argv, { encoding: "utf8" });
    const shown = stdout.replaceAll("\r", "");
    const path = join(directory, "keys", "prod.key.json");
    const passphrase = /^MASTER PASSPHRASE .*\n\n {4}(\S+)\n/m.exec(shown)?.[1] ?? "";
    const recoveryKey = [...shown.matchAll(/^ {4}(\d: .*)$/gm)].map(([, line]) => line).join("\n");
    const masterKey = await openKeyFile({ path, passphrase: Buffer.from(passphrase) });
    expect(await openWithRecoveryKey({ path, recoveryKey })).toEqual(masterKey);
    expect(readdirSync(directory).sort()).toEqual(["Pulumi.prod.yaml", "input", "keys"]);
  });

  test("refuses to overwrite a key file, and leaves nothing else behind", async () => {
    const keys = join(directory, "keys");
    const first = ["--recovery-out", join(directory, "sheet"), "--passphrase-out", join(directory, "passphrase")];
    await foundation(["init", ...options, ...first]);
    const before = readFileSync(join(keys, "prod.key.json"));
    const second = ["--recovery-out", join(directory, "sheet2"), "--passphrase-out", join(directory, "passphrase2")];
    const { exitCode, stderr } = await foundation(["init", ...options, ...second]);
    expect(exitCode).toBe(EXIT.refused);
    expect(stderr).toMatch(
      /^error: .*keys\/prod\.key\.json: this key file exists and is never overwritten\nhint: use it with its passphrase; for a second foundation: npx foundation init --stack NAME\n$/,
    );
    expect(readFileSync(join(keys, "prod.key.json"))).toEqual(before);
    expect(readdirSync(directory).sort()).toEqual(["Pulumi.prod.yaml", "keys", "passphrase", "sheet"]);
  });

  test.each<[string, string[], Record<string, string>, number, string]>([
    [
      "no terminal for the recovery sheet",
      [],
      {},
      EXIT.usage,
      "error: init: standard output is not a terminal, and the recovery sheet is shown only once\n" +
        "hint: run it in a terminal, or: npx foundation init --recovery-out FILE\n",
    ],
    [
      "no terminal for the passphrase",
      ["--recovery-out", "sheet"],
      {},
      EXIT.usage,
      "error: init: standard output is not a terminal, and the passphrase is shown only once\n" +
        "hint: run it in a terminal, or: npx foundation init --passphrase-out FILE\n",
    ],
    [
      "a weak passphrase of one's own",
      ["--recovery-out", "sheet"],
      { PULUMI_CONFIG_PASSPHRASE: "correct horse" },
      EXIT.passphrase,
      "error: passphrase: too weak: about 17 bits, at least 77 are needed\n" +
        "hint: let `npx foundation init` generate one (7 words, 90 bits), or use at least 6 words drawn at random\n",
    ],
  ])("%s: says so and creates nothing", async (_title, args, environment, exitCode, stderr) => {
    const inDirectory = args.map((arg) => (arg === "sheet" ? join(directory, arg) : arg));
    const result = await foundation(["init", ...options, ...inDirectory], environment);
    expect(result).toEqual({ exitCode, stdout: "", stderr });
    expect(readdirSync(directory)).toEqual(["Pulumi.prod.yaml"]);
  });

  test("an output file that exists is not overwritten", async () => {
    writeFileSync(join(directory, "sheet"), "an older sheet");
    const { exitCode, stderr } = await foundation([
      "init",
      ...options,
      "--recovery-out",
      join(directory, "sheet"),
      "--passphrase-out",
      join(directory, "passphrase"),
    ]);
    expect(exitCode).toBe(EXIT.refused);
    expect(stderr).toBe(
      `error: init: ${directory}/sheet: exists and is not overwritten\n` +
        "hint: name a file that does not exist yet, in a directory that does\n",
    );
    expect(readFileSync(join(directory, "sheet"), "utf8")).toBe("an older sheet");
    expect(readdirSync(directory).sort()).toEqual(["Pulumi.prod.yaml", "sheet"]);
  });
});
