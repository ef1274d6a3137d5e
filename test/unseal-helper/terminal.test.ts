import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PASSPHRASE, Program } from "./program.ts";

const hasPython = spawnSync("python3", ["-c", "import pty, termios"]).status === 0;
if (!hasPython) console.warn("no python3 with pty: the dialogues at the terminal are not tested");

const NEW_PASSPHRASE = "gossip-mulberry-trapeze-unwound-cactus-shabby-pelican";
const SANE = { ECHO: true, ICANON: true, ISIG: true };
const program = new Program();
const sheets = join(program.vm.directory, "sheets");
let lines: string[][] = [];

beforeAll(async () => {
  if (!hasPython) return;
  await program.start();
  await program.run("shares", "print", "--out", sheets);
  lines = readdirSync(sheets).map((name) => {
    const page = readFileSync(join(sheets, name), "utf8");
    return [...page.matchAll(/>(\d: [0-9A-Z ]{19})</g)].map(([, line]) => line ?? "");
  });
}, 120_000);
afterAll(() => program.vm.stop());

interface Played {
  output: string;
  code: number;
  echo: boolean[];
  before: object;
  after: object;
}

/** Runs the program at a terminal, without a passphrase in its environment. */
async function play(argv: string[], steps: [string, string][]): Promise<Played> {
  const main = join(import.meta.dirname, "../../unseal-helper/main.ts");
  const command = [process.execPath, main, ...argv, "--keys", program.keys];
  const driver = [join(import.meta.dirname, "terminal.py"), JSON.stringify({ command, steps })];
  const { stdout } = await promisify(execFile)("python3", driver, { env: program.vm.environment() });
  return JSON.parse(stdout) as Played;
}

describe.skipIf(!hasPython)("at the terminal", { timeout: 120_000 }, () => {
  it("asks for the passphrase without showing it, and again when it is mistyped", async () => {
    await program.run("seal");
    const played = await play(
      ["unseal"],
      [
        ["Passphrase: ", "mistyped\r"],
        ["Passphrase: ", `wrong\u007f\u007f\u007f\u007f\u007f${PASSPHRASE}\r`],
      ],
    );
    expect(played).toMatchObject({ code: 0, echo: [false, false], before: SANE, after: SANE });
    expect(played.output.replaceAll("\r", "")).toBe(
      `Passphrase: \n${program.keyFile}: the passphrase does not open this key file\nPassphrase: \nvault 0.0.0: unsealed\n`,
    );
  });

  it("gives up after three passphrases, and leaves the terminal sane", async () => {
    const wrong = ["Passphrase: ", "wrong\r"] as [string, string];
    const played = await play(["unseal"], [wrong, wrong, wrong]);
    expect(played).toMatchObject({ code: 4, after: SANE });
    expect(played.output).not.toContain("wrong\r");
  });

  it.each([
    ["Ctrl-C", "half a pass\u0003", 130, "interrupted"],
    ["Ctrl-D", "\u0004", 4, "passphrase: none given"],
  ])("puts the terminal back after %s", async (_, typed, code, message) => {
    const played = await play(["unseal"], [["Passphrase: ", typed]]);
    expect(played).toMatchObject({ code, echo: [false], before: SANE, after: SANE });
    expect(played.output.replaceAll("\r", "")).toContain(`Passphrase: \nerror: ${message}\nhint: `);
    expect(played.output).not.toContain("half");
  });

  it("opens Vault with sheets alone, typed line by line; a typing error is asked for again", async () => {
    await program.run("seal");
    const steps = lines.flatMap((sheet, at): [string, string][] => {
      return sheet.map((line, index) => [`sheet ${at + 1}, line ${index + 1} of 5 (not shown): `, `${line}\r`]);
    });
    const [first = ["", ""], ...others] = steps;
    const mistyped = `${first[1].slice(0, -2)}${first[1].at(-2) === "7" ? "8" : "7"}\r`;
    const played = await play(["unseal", "--paper"], [[first[0], mistyped], first, ...others]);
    expect(played).toMatchObject({ code: 0, after: SANE });
    expect(played.echo).toEqual(Array(16).fill(false));
    expect(played.output).toContain("sheet 1: line 1 has a typing error\r\n");
    expect(played.output.replaceAll("\r", "").endsWith("\nvault 0.0.0: unsealed\n")).toBe(true);
    const groups = lines.flat().map((line) => line.slice(3));
    expect(groups.filter((line) => played.output.includes(line))).toEqual([]);
  });

  it("puts the terminal back after Ctrl-C within a sheet", async () => {
    const played = await play(
      ["shares", "check"],
      [
        ["Passphrase: ", `${PASSPHRASE}\r`],
        ["sheet 1, line 1 of 5 (not shown): ", `${lines[0]?.[0]}\r`],
        ["sheet 1, line 2 of 5 (not shown): ", "12\u0003"],
      ],
    );
    expect(played).toMatchObject({ code: 130, echo: [false, false, false], after: SANE });
  });

  it("asks for a new passphrase twice", async () => {
    const project = join(program.vm.directory, "project");
    mkdirSync(project);
    writeFileSync(join(project, "Pulumi.yaml"), "name: foundation\n");
    const argv = ["passphrase", "rotate", "--project", project];
    const differing = await play(argv, [
      ["Passphrase: ", `${PASSPHRASE}\r`],
      ["New passphrase: ", `${NEW_PASSPHRASE}\r`],
      ["Once more: ", "something else\r"],
    ]);
    expect(differing).toMatchObject({ code: 4, after: SANE });
    expect(differing.output).toContain("passphrase: the two are not the same");
    const same = await play(argv, [
      ["Passphrase: ", `${PASSPHRASE}\r`],
      ["New passphrase: ", `${NEW_PASSPHRASE}\r`],
      ["Once more: ", `${NEW_PASSPHRASE}\r`],
    ]);
    expect(same).toMatchObject({ code: 0, after: SANE });
    expect(same.output).toContain(`rewrapped ${program.keyFile}`);
    expect([PASSPHRASE, NEW_PASSPHRASE].filter((secret) => same.output.includes(secret))).toEqual([]);
  });

  it("asks for the recovery key line by line, and for the new passphrase twice", async () => {
    const argv = ["passphrase", "reset", "--project", join(program.vm.directory, "none")];
    const keyLines = program.recoveryKey.split("\n");
    const steps = keyLines.map((line, index): [string, string] => {
      return [`recovery key, line ${index + 1} of 4 (not shown): `, `${line}\r`];
    });
    const [first = ["", ""], second = ["", ""], ...others] = steps;
    const untouched = readFileSync(program.keyFile);
    const interrupted = await play(argv, [...steps, ["New passphrase: ", "half a pass\u0003"]]);
    expect(interrupted).toMatchObject({ code: 130, echo: Array(5).fill(false), after: SANE });
    expect(readFileSync(program.keyFile)).toEqual(untouched);
    const played = await play(argv, [
      first,
      [second[0], first[1]],
      second,
      ...others,
      ["New passphrase: ", `${PASSPHRASE}\r`],
      ["Once more: ", `${PASSPHRASE}\r`],
    ]);
    expect(played).toMatchObject({ code: 0, echo: Array(7).fill(false), after: SANE });
    expect(played.output).toContain("recovery key: line 2 has a typing error\r\n");
    expect(played.output).toContain(`rewrapped ${program.keyFile}\r\n`);
    const secrets = [PASSPHRASE, ...keyLines.map((line) => line.slice(3))];
    expect(secrets.filter((secret) => played.output.includes(secret))).toEqual([]);
  });
});
