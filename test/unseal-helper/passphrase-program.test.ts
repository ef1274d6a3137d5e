import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { recoverySheet } from "../../cli/recovery-sheet.ts";
import { createKeyFile, openKeyFile, openWithRecoveryKey } from "../../keys/keyfile.ts";
import { newPulumiKey } from "../../keys/pulumi-secrets.ts";
import { type Reset, resetPassphrase } from "../../unseal-helper/passphrase-reset.ts";
import { PASSPHRASE, Program, type Result } from "./program.ts";

const NEW_PASSPHRASE = "gossip-mulberry-trapeze-unwound-cactus-shabby-pelican";

let program: Program;
let project: string;
let config: string;
/** what all runs printed, and what none may */
let output = "";
const secrets = [PASSPHRASE, NEW_PASSPHRASE];

beforeEach(async () => {
  program = new Program();
  await program.createKeys();
  project = join(program.vm.directory, "project");
  config = join(project, "Pulumi.prod.yaml");
  mkdirSync(project);
});
afterEach(() => {
  output += program.output;
  secrets.push(program.masterKey.toString("hex"), ...program.recoveryKey.split("\n").map((line) => line.slice(3)));
  program.vm.stop();
});

// A salt of Pulumi's own tests: all that matters is that it is of another passphrase.
const OLD_SALT = "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ==";
const SECURE =
  "  foundation:a:\n    secure: v1:T1ftqhY0hqr+EJK6:AAAA\n" +
  "  foundation:b:\n    c:\n      - secure: v1:T1ftqhY0hqr+EJK6:BBBB\n";

/** Pulumi.prod.yaml, as Pulumi writes it. */
function writeConfig(secure = "", salt = OLD_SALT): void {
  writeFileSync(config, `# kept\nencryptionsalt: ${salt}\nconfig:\n  foundation:domain: example.org\n${secure}`);
}

function reset(recoveryKey: string, passphrase: string, ...more: string[]): Promise<Result> {
  const descriptors = ["--recovery-fd", "3", "--new-passphrase-fd", "4"];
  const input = { env: {}, fd3: recoveryKey, fd4: `${passphrase}\n` };
  return program.runWith(input, "passphrase", "reset", ...descriptors, "--project", project, ...more);
}

/** Text of every file that could be changed. */
const files = (): string[] => [program.keyFile, config].map((path) => readFileSync(path, "utf8"));

const NOT_BROUGHT_BACK =
  "\nnot brought back: what Pulumi keeps under the old passphrase, in its state and as `secure:` values; derived secrets\n" +
  "are the same without it, random ones are issued again. Start a fresh state:\n";
const FRESH_STATE =
  "  pulumi stack rm prod --force --preserve-config\n" + "  pulumi stack init prod --secrets-provider passphrase\n";

// Each run is a process of its own, on machines that may be busy.
describe("passphrase reset", { timeout: 60_000 }, () => {
  it("puts slot 0 under a new passphrase with the recovery key alone, and has nothing to do the second time", async () => {
    writeConfig();
    const slots = (JSON.parse(readFileSync(program.keyFile, "utf8")) as { slots: object[] }).slots;
    expect(await reset(program.recoveryKey, NEW_PASSPHRASE)).toEqual({
      code: 0,
      stdout:
        `rewrapped ${program.keyFile}\nremoved encryptionsalt from ${config}\ncommit the changed files\n` +
        `${NOT_BROUGHT_BACK}${FRESH_STATE}  pulumi up --stack prod\n`,
      stderr: "",
    });
    const opened = await openKeyFile({ path: program.keyFile, passphrase: Buffer.from(NEW_PASSPHRASE) });
    expect(opened).toEqual(program.masterKey);
    await expect(openKeyFile({ path: program.keyFile, passphrase: Buffer.from(PASSPHRASE) })).rejects.toThrow(
      "does not open",
    );
    const { recoveryKey } = program;
    expect(await openWithRecoveryKey({ path: program.keyFile, recoveryKey })).toEqual(program.masterKey);
    const now = (JSON.parse(readFileSync(program.keyFile, "utf8")) as { slots: object[] }).slots;
    expect(now[1]).toEqual(slots[1]);
    expect(readFileSync(config, "utf8")).toBe("# kept\nconfig:\n  foundation:domain: example.org\n");
    expect(readdirSync(project)).toEqual(["Pulumi.prod.yaml"]);
    const done = files();
    const again = await reset(program.recoveryKey, NEW_PASSPHRASE, "--json");
    expect({ ...again, stdout: JSON.parse(again.stdout) as object }).toEqual({
      code: 0,
      stdout: { actions: [], lostLines: [], isStateLost: true },
      stderr: "",
    });
    expect(files()).toEqual(done);
  });

  it("leaves secrets of Pulumi's in place, and names their lines", async () => {
    writeConfig(SECURE);
    const before = readFileSync(config, "utf8");
    expect((await reset(program.recoveryKey, NEW_PASSPHRASE)).stdout).toBe(
      `rewrapped ${program.keyFile}\ncommit the changed files\n${NOT_BROUGHT_BACK}` +
        "  remove from Pulumi.prod.yaml: line 2 (encryptionsalt), line 6 (foundation:a), line 9 (foundation:b.c[0])\n" +
        FRESH_STATE +
        "  pulumi config set --stack prod --path --secret 'foundation:a'\n" +
        "  pulumi config set --stack prod --path --secret 'foundation:b.c[0]'\n" +
        "  pulumi up --stack prod\n",
    );
    expect(readFileSync(config, "utf8")).toBe(before);
  });

  it("finishes a run that was cut short, and leaves a stack alone that was made anew since", async () => {
    const { keyFile, masterKey } = program;
    const after = Buffer.from(NEW_PASSPHRASE);
    const args: Reset = { keyFile, stack: "prod", project, masterKey, after, scryptCost: 2 };
    writeConfig();
    const cutShort = readFileSync(config, "utf8");
    const removed = `removed encryptionsalt from ${config}`;
    expect((await resetPassphrase(args)).actions).toEqual([`rewrapped ${keyFile}`, removed]);
    const done = files();
    writeFileSync(config, cutShort);
    expect(await resetPassphrase(args)).toEqual({ actions: [removed], lostLines: [], isStateLost: true });
    expect(files()).toEqual(done);
    writeConfig(SECURE, (await newPulumiKey(after)).salt);
    const anew = files();
    expect(await resetPassphrase(args)).toEqual({ actions: [], lostLines: [], isStateLost: false });
    expect(files()).toEqual(anew);
  });

  it("says what it would do with a whole sheet, and does not do it", async () => {
    writeConfig();
    const before = files();
    const sheet = { stack: "prod", keyFile: "keys/stacks/prod.key.json", date: "2026-11-21" };
    expect(
      await reset(recoverySheet({ ...sheet, recoveryKey: program.recoveryKey }), NEW_PASSPHRASE, "--dry-run"),
    ).toEqual({
      code: 0,
      stdout: `would rewrap ${program.keyFile}\nwould remove encryptionsalt from ${config}\n`,
      stderr: "",
    });
    expect(files()).toEqual(before);
  });

  const typingHint = "type the lines as printed; each stands for itself, so correct only the line named";
  it.each<[string, () => Promise<string>, string, string, string]>([
    [
      "the recovery key of another foundation",
      async () => {
        const path = join(program.vm.directory, "other.key.json");
        const passphrase = Buffer.from(PASSPHRASE);
        return (await createKeyFile({ path, stack: "other", passphrase, scryptCost: 2 })).recoveryKey;
      },
      NEW_PASSPHRASE,
      "KEYFILE: the recovery key does not open this key file",
      "it is typed correctly, so it was printed for another foundation: compare stack and date on the sheet",
    ],
    [
      "a typing error",
      () => Promise.resolve(program.recoveryKey.replace(/.$/m, (last) => (last === "7" ? "8" : "7"))),
      NEW_PASSPHRASE,
      "recovery key: line 1 has a typing error",
      typingHint,
    ],
    [
      "half a key",
      () => Promise.resolve(program.recoveryKey.split("\n").slice(0, 2).join("\n")),
      NEW_PASSPHRASE,
      "recovery key: has 2 lines instead of 4",
      typingHint,
    ],
    [
      "a weak new passphrase",
      () => Promise.resolve(program.recoveryKey),
      "password1",
      "passphrase: too weak: about 7 bits, at least 77 are needed",
      "let `npx foundation init` generate one (7 words, 90 bits), or use at least 6 words drawn at random",
    ],
    [
      "an empty new passphrase",
      () => Promise.resolve(program.recoveryKey),
      "",
      "--new-passphrase-fd 4: the passphrase is empty",
      "as in --new-passphrase-fd 3 3< FILE",
    ],
  ])("refuses %s, and changes nothing", async (_, recoveryKey, passphrase, message, hint) => {
    writeConfig();
    const before = files();
    const result = await reset(await recoveryKey(), passphrase);
    expect({ ...result, stderr: result.stderr.replace(program.keyFile, "KEYFILE") }).toEqual({
      code: 4,
      stdout: "",
      stderr: `error: ${message}\nhint: ${hint}\n`,
    });
    expect(files()).toEqual(before);
  });

  it("asks at a terminal, and says so where there is none", async () => {
    expect(await program.runWith({ env: {} }, "passphrase", "reset")).toEqual({
      code: 64,
      stdout: "",
      stderr:
        "error: terminal: there is none to ask at\n" +
        "hint: run it in a terminal, or give what it asks for by a file descriptor: --help names the options\n",
    });
  });

  it("is refused where the configuration is not as Pulumi wrote it, before the key file is changed", async () => {
    writeFileSync(config, "encryptionsalt: v1:short\n");
    const before = files();
    expect(await reset(program.recoveryKey, NEW_PASSPHRASE)).toMatchObject({
      code: 78,
      stderr: expect.stringMatching(/^error: \S+Pulumi\.prod\.yaml: encryptionsalt is malformed\nhint: /) as string,
    });
    expect(files()).toEqual(before);
  });
});

describe("passphrase rotate", { timeout: 60_000 }, () => {
  const rotate = (...more: string[]): Promise<Result> => {
    const input = { env: { PULUMI_CONFIG_PASSPHRASE: PASSPHRASE }, fd4: `${NEW_PASSPHRASE}\n` };
    return program.runWith(input, "passphrase", "rotate", "--new-passphrase-fd", "4", "--project", project, ...more);
  };

  it("changes what it says it would change", async () => {
    const planned = await rotate("--dry-run");
    expect(planned).toEqual({ code: 0, stdout: `would rewrap ${program.keyFile}\n`, stderr: "" });
    await openKeyFile({ path: program.keyFile, passphrase: Buffer.from(PASSPHRASE) });
    expect(await rotate()).toEqual({
      code: 0,
      stdout: `rewrapped ${program.keyFile}\ncommit the changed files\n`,
      stderr: "",
    });
    await openKeyFile({ path: program.keyFile, passphrase: Buffer.from(NEW_PASSPHRASE) });
  });
});

describe("either", () => {
  it("shows neither a recovery key nor a passphrase", () => {
    expect(output).toContain("rewrapped");
    expect(secrets.filter((secret) => output.includes(secret))).toEqual([]);
  });
});
