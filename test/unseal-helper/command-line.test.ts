import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { parseCommandLine } from "../../unseal-helper/command-line.ts";
import { commandHelp, generalHelp } from "../../unseal-helper/commands/help.ts";
import { COMMANDS } from "../../unseal-helper/commands/registry.ts";

const parse = (argv: string[]) => parseCommandLine(argv, COMMANDS);
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5";

describe("the command line", () => {
  it("has a default for everything but the command", () => {
    expect(parse(["status"])).toEqual({
      command: COMMANDS[0],
      help: false,
      options: {
        stack: undefined,
        keyDirectory: "keys/stacks",
        target: undefined,
        passphraseFd: undefined,
        json: false,
      },
      args: { values: {}, operands: [], program: [] },
    });
  });

  it("gives a command its own options only", () => {
    expect(parse(["--json", "ensure", "--new-epoch"])).toMatchObject({
      command: { name: "ensure" },
      options: { json: true },
      args: { values: { "new-epoch": true } },
    });
  });

  it.each([
    ["root@vm.test", { user: "root", address: "vm.test", port: 22 }],
    ["debian@192.0.2.7:2222", { user: "debian", address: "192.0.2.7", port: 2222 }],
    ["root@[2001:db8::1]:22", { user: "root", address: "2001:db8::1", port: 22 }],
  ])("understands --host %s", (host, expected) => {
    const { options } = parse(["unseal", "--host", host, "--host-key", `${key} comment`]);
    expect(options.target).toEqual({ ...expected, hostKey: key });
  });

  it.each([
    [[], "no command"],
    [["explode"], "unknown command explode"],
    [["status", "x", "y"], "unexpected x y"],
    [["status", "--", "ls"], "unexpected --"],
    [["explode", "--help"], "unknown command explode"],
    [["unseal", "--new-epoch"], "--new-epoch is for ensure, init"],
    [["unseal", "--passphrase", "x"], "Unknown option '--passphrase'"],
    [["unseal", "--passphrase-fd", "three"], "--passphrase-fd three: not a number"],
    [["unseal", "--host", "root@vm"], "--host and --host-key belong together"],
    [["unseal", "--host", "vm", "--host-key", key], "--host vm: not USER@ADDR[:PORT]"],
    [
      ["unseal", "--host", "root@-oProxyCommand=x", "--host-key", key],
      "--host root@-oProxyCommand=x: not USER@ADDR[:PORT]",
    ],
    [["unseal", "--host", "root@vm:70000", "--host-key", key], "--host root@vm:70000: not USER@ADDR[:PORT]"],
    [["unseal", "--host", "root@vm", "--host-key", "AAAA"], '--host-key AAAA: not "TYPE KEY"'],
  ])("refuses %j", (argv, what) => {
    expect(() => parse(argv)).toThrow(
      expect.objectContaining({
        message: `command line: ${what}`,
        hint: "npx foundation vault --help",
        exitCode: EXIT.usage,
      }),
    );
  });
});

describe("a command", () => {
  it("that changes something can say what it would do, and each can say it to a program", () => {
    const changesNothing = ["status", "verify", "doctor"];
    const withoutDryRun = COMMANDS.filter(({ options }) => !Object.hasOwn(options, "dry-run")).map(({ name }) => name);
    expect(withoutDryRun).toEqual(changesNothing);
    for (const { name } of COMMANDS) {
      const operands = name === "snapshot" || name === "restore" ? ["FILE"] : [];
      const program = name === "breakglass" ? ["--", "true"] : [];
      const argv = [...name.split(" "), ...operands, "--json", ...program];
      expect(parse(argv).options.json, name).toBe(true);
    }
  });

  it("is one of those that are documented", () => {
    expect(COMMANDS.map(({ name }) => name)).toEqual([
      ...["status", "ensure", "init", "unseal", "seal", "passphrase rotate", "passphrase reset", "verify", "rekey"],
      ...["breakglass", "shares print", "shares check", "shares issue", "snapshot", "restore", "doctor"],
    ]);
  });

  it("takes no secret as an option's value", () => {
    const values = COMMANDS.flatMap(({ options }) => Object.entries(options)).filter(
      ([, { type }]) => type === "string",
    );
    const names = [...new Set(values.map(([name]) => name))].sort();
    expect(names).toEqual([
      "job-login",
      "new-passphrase-fd",
      "out",
      "project",
      "readers",
      "recovery-fd",
      "share-fd",
      "shares",
      "ttl",
    ]);
  });
});

describe("the help", () => {
  it("lists every command, and is there for each without anything else", () => {
    expect(parse(["--help"])).toMatchObject({ command: undefined, help: true });
    const text = generalHelp(COMMANDS);
    for (const { name, summary } of COMMANDS) {
      expect(text).toMatch(new RegExp(`^ {2}${name} +${summary.replace(/[()]/g, "\\$&")}$`, "m"));
      expect(parse([...name.split(" "), "--help"])).toMatchObject({ command: { name }, help: true });
    }
  });

  it("of a command names its options and what its exit codes mean", () => {
    for (const command of COMMANDS) {
      const text = commandHelp(command);
      expect(text).toContain(`usage: npx foundation vault ${command.name}`);
      for (const name of Object.keys(command.options)) expect(text).toContain(`  --${name}`);
      expect(text).toMatch(/exit status\n {4}0 {2}\S/);
      for (const [code, meaning] of Object.entries(command.exitStatus)) {
        expect(text).toContain(`\n${code.padStart(5)}  ${meaning}`);
      }
      expect(text.split("\n").filter((line) => line.length > 120)).toEqual([]);
    }
  });
});
