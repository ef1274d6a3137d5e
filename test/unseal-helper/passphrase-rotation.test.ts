import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EXIT } from "../../errors.ts";
import { createKeyFile, openKeyFile, rewrapPassphrase } from "../../keys/keyfile.ts";
import { newPulumiKey, openPulumiKey, openPulumiValue, sealPulumiValue } from "../../keys/pulumi-secrets.ts";
import { planRotation, rotatePassphrase, type Rotation } from "../../unseal-helper/passphrase-rotation.ts";

// A million rounds for each question to a file: the tests put the same question many times, so each is worked out once.
vi.mock("node:crypto", async (importOriginal) => {
  const real = await importOriginal<typeof import("node:crypto")>();
  const known = new Map<string, Promise<Buffer>>();
  const pbkdf2 = (
    passphrase: Buffer,
    salt: Buffer,
    rounds: number,
    length: number,
    digest: string,
    done: (error: Error | null, key?: Buffer) => void,
  ): void => {
    const question = [passphrase.toString("hex"), salt.toString("hex"), rounds, length, digest].join();
    const answer = known.get(question) ?? promisify(real.pbkdf2)(passphrase, salt, rounds, length, digest);
    known.set(question, answer);
    answer.then(
      (key) => {
        done(null, Buffer.from(key));
      },
      (error: unknown) => {
        done(error as Error);
      },
    );
  };
  return { ...real, pbkdf2 };
});

const before = Buffer.from("hatbox-outlook-clover-vanish-jukebox-ripple-oversleep");
const after = Buffer.from("gossip-mulberry-trapeze-unwound-cactus-shabby-pelican");
const other = Buffer.from("unplug-dividend-satchel-glimmer-reptile-conduct-wobbly");
const marker = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };
const realPulumi = (process.env["PATH"] ?? "").split(delimiter).find((directory) => {
  // npm's package of that name is a downloader.
  if (directory.endsWith("node_modules/.bin")) return false;
  try {
    execFileSync(join(directory, "pulumi"), ["version"], { stdio: "ignore", timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
});

let project: string;
let keyFile: string;
let configFile: string;
let stateFile: string;

beforeEach(async () => {
  project = mkdtempSync(join(tmpdir(), "rotation-"));
  keyFile = join(project, "keys", "prod.key.json");
  configFile = join(project, "Pulumi.prod.yaml");
  stateFile = join(project, "state", ".pulumi", "stacks", "foundation", "prod.json");
  await createKeyFile({ path: keyFile, stack: "prod", passphrase: before, scryptCost: 2 });
  writeFileSync(join(project, "Pulumi.yaml"), "name: foundation\nruntime: yaml\nbackend:\n  url: file://./state\n");
});
afterEach(() => rmSync(project, { recursive: true }));

/** Files as Pulumi writes them. */
async function pulumiFiles(passphrase = before): Promise<void> {
  const { key, salt } = await newPulumiKey(passphrase);
  const seal = (text: string): string => sealPulumiValue(key, Buffer.from(text));
  writeFileSync(
    configFile,
    `# kept\nencryptionsalt: ${salt}\nconfig:\n  foundation:domain: example.org # kept too\n  foundation:a:\n    secure: ${seal("one")}\n` +
      `  foundation:b:\n    c:\n      - secure: ${seal("two")}\n`,
  );
  mkdirSync(join(stateFile, ".."), { recursive: true });
  const resources = [{ urn: "x", outputs: { result: { ...marker, ciphertext: seal('"three"') } } }];
  const latest = { secrets_providers: { type: "passphrase", state: { salt } }, resources };
  writeFileSync(stateFile, JSON.stringify({ version: 3, checkpoint: { stack: "prod", latest } }));
}

const rotation = (more: Partial<Rotation> = {}): Rotation => ({
  keyFile,
  stack: "prod",
  project,
  before,
  after,
  env: { PATH: "/usr/bin:/bin" },
  log: () => undefined,
  scryptCost: 2,
  ...more,
});

/** What the files hold, read with a passphrase. */
async function contents(passphrase: Buffer): Promise<{ values: (string | undefined)[]; salts: Set<string> }> {
  const texts = [readFileSync(configFile, "utf8"), readFileSync(stateFile, "utf8")];
  const salts = texts.map((text) => /v1:[\w+/=]{12}:v1:[\w+/=:]+/.exec(text)?.[0] ?? "");
  const values: (string | undefined)[] = [];
  for (const [at, text] of texts.entries()) {
    const key = await openPulumiKey("x", salts[at] ?? "", passphrase);
    for (const [, value = ""] of text.matchAll(/(?:secure: |"ciphertext":")(v1:[\w+/=:]+)/g)) {
      values.push(key && openPulumiValue(key, value)?.toString());
    }
  }
  return { values, salts: new Set(salts) };
}

describe("passphrase rotation", { timeout: 120_000 }, () => {
  it("rewraps the configuration, the state and slot 0, and changes nothing else", async () => {
    await pulumiFiles();
    const masterKey = await openKeyFile({ path: keyFile, passphrase: before });
    const files = [configFile, stateFile, keyFile];
    expect(await planRotation(rotation())).toEqual(files.map((file) => `rewrap ${file}`));
    expect(await rotatePassphrase(rotation())).toEqual(files.map((file) => `rewrapped ${file}`));
    const { values, salts } = await contents(after);
    expect(values).toEqual(["one", "two", '"three"']);
    expect(salts.size).toBe(1);
    expect(readFileSync(configFile, "utf8")).toMatch(
      /^# kept\nencryptionsalt: .+\n.+\n {2}foundation:domain: example.org # kept too/,
    );
    expect(await openKeyFile({ path: keyFile, passphrase: after })).toEqual(masterKey);
    await expect(openKeyFile({ path: keyFile, passphrase: before })).rejects.toMatchObject({
      exitCode: EXIT.passphrase,
    });
    const done = files.map((file) => readFileSync(file, "utf8"));
    expect(await rotatePassphrase(rotation())).toEqual([]);
    expect(files.map((file) => readFileSync(file, "utf8"))).toEqual(done);
    expect(readdirSync(project).filter((name) => name.includes("tmp"))).toEqual([]);
  });

  it.each([0b001, 0b010, 0b011])(
    "finishes a rotation that was cut short, whatever was done already (%i)",
    async (done) => {
      await pulumiFiles();
      const old = [configFile, stateFile, keyFile].map((file) => readFileSync(file, "utf8"));
      await rotatePassphrase(rotation());
      for (const [at, file] of [configFile, stateFile, keyFile].entries()) {
        if ((done & (1 << at)) === 0) writeFileSync(file, old[at] ?? "");
      }
      const left = [configFile, stateFile, keyFile].filter((_, at) => (done & (1 << at)) === 0);
      expect(await rotatePassphrase(rotation())).toEqual(left.map((file) => `rewrapped ${file}`));
      const { values, salts } = await contents(after);
      expect(values).toEqual(["one", "two", '"three"']);
      expect(salts.size).toBe(1);
      await openKeyFile({ path: keyFile, passphrase: after });
    },
  );

  it("refuses to go on from a rotation to another passphrase", async () => {
    await pulumiFiles(other);
    const untouched = readFileSync(keyFile, "utf8");
    await expect(rotatePassphrase(rotation())).rejects.toMatchObject({
      message: `${configFile}: opens with neither passphrase`,
      exitCode: EXIT.halfDone,
    });
    expect(readFileSync(keyFile, "utf8")).toBe(untouched);
  });

  it("rotates a key file without Pulumi", async () => {
    expect(await rotatePassphrase(rotation())).toEqual([`rewrapped ${keyFile}`]);
  });

  it.each<[string, () => Promise<Partial<Rotation>>, object]>([
    ["a weak passphrase", () => Promise.resolve({ after: Buffer.from("password1") }), { exitCode: EXIT.passphrase }],
    ["the same passphrase", () => Promise.resolve({ after: before }), { exitCode: EXIT.usage }],
    ["a wrong passphrase", () => Promise.resolve({ before: other }), { exitCode: EXIT.passphrase }],
    [
      "a state that Pulumi is working on",
      () => {
        const locks = join(project, "state/.pulumi/locks/organization/foundation/prod");
        mkdirSync(locks, { recursive: true });
        writeFileSync(join(locks, "1.json"), "{}");
        return Promise.resolve({});
      },
      { exitCode: EXIT.refused },
    ],
    [
      "a backend that it cannot reach itself",
      () => Promise.resolve({ env: { PATH: "/usr/bin:/bin", PULUMI_BACKEND_URL: "s3://bucket" } }),
      { exitCode: EXIT.config },
    ],
  ])("refuses %s, and changes nothing", async (_, prepare, error) => {
    await pulumiFiles();
    const files = [configFile, stateFile, keyFile];
    const untouched = files.map((file) => readFileSync(file, "utf8"));
    await expect(rotatePassphrase(rotation(await prepare()))).rejects.toMatchObject(error);
    expect(files.map((file) => readFileSync(file, "utf8"))).toEqual(untouched);
  });

  describe.skipIf(realPulumi === undefined)("with the real pulumi program", () => {
    const pulumi = (passphrase: Buffer, ...args: string[]): string =>
      execFileSync(join(realPulumi ?? "", "pulumi"), ["--cwd", project, "--non-interactive", ...args], {
        encoding: "utf8",
        env: { ...process.env, ...environment(), PULUMI_CONFIG_PASSPHRASE: passphrase.toString() },
      }).trim();
    const environment = () => ({
      PATH: `${realPulumi}${delimiter}${process.env["PATH"]}`,
      HOME: project,
      PULUMI_HOME: join(project, "home"),
      PULUMI_SKIP_UPDATE_CHECK: "1",
    });
    const stack = (): void => {
      mkdirSync(join(project, "state"));
      pulumi(before, "stack", "init", "prod", "--secrets-provider", "passphrase");
      pulumi(before, "config", "set", "--stack", "prod", "--secret", "word", "one");
    };

    it("lets it do its part", async () => {
      stack();
      const log: string[] = [];
      const real = rotation({ env: environment(), log: (line) => log.push(line) });
      expect(await rotatePassphrase(real)).toHaveLength(3);
      expect(log).toEqual(["pulumi: stack change-secrets-provider passphrase"]);
      expect(pulumi(after, "config", "get", "--stack", "prod", "word")).toBe("one");
      expect(() => pulumi(before, "config", "get", "--stack", "prod", "word")).toThrow("incorrect passphrase");
    });

    it("leaves files that it reads when it was not there to help", async () => {
      stack();
      const blind = rotation({ env: { ...environment(), PATH: "/usr/bin:/bin" } });
      expect(await rotatePassphrase(blind)).toHaveLength(3);
      expect(pulumi(after, "config", "get", "--stack", "prod", "word")).toBe("one");
      expect(pulumi(after, "stack", "export", "--stack", "prod", "--show-secrets")).toContain('"passphrase"');
      pulumi(after, "config", "set", "--stack", "prod", "--secret", "word", "two");
    });
  });

  it("does not care which passphrase is in slot 0 when both files are new", async () => {
    await pulumiFiles(after);
    const masterKey = await openKeyFile({ path: keyFile, passphrase: before });
    await rewrapPassphrase({ path: keyFile, masterKey, passphrase: after, scryptCost: 2 });
    expect(await rotatePassphrase(rotation())).toEqual([]);
  });
});
