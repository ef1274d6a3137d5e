import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { parseCommandLine } from "../../unseal-helper/command-line.ts";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5";

describe("the command line", () => {
  it("has a default for everything but the command", () => {
    expect(parseCommandLine(["status"])).toEqual({
      command: "status",
      stack: undefined,
      keyDirectory: "keys/stacks",
      target: undefined,
      passphraseFd: undefined,
      newEpoch: false,
      dryRun: false,
      json: false,
    });
  });

  it.each([
    ["root@vm.test", { user: "root", address: "vm.test", port: 22 }],
    ["debian@192.0.2.7:2222", { user: "debian", address: "192.0.2.7", port: 2222 }],
    ["root@[2001:db8::1]:22", { user: "root", address: "2001:db8::1", port: 22 }],
  ])("understands --host %s", (host, expected) => {
    const { target } = parseCommandLine(["unseal", "--host", host, "--host-key", `${key} comment`]);
    expect(target).toEqual({ ...expected, hostKey: key });
  });

  it.each([
    [[], "no command"],
    [["explode"], "unknown command explode"],
    [["status", "x", "y"], "unexpected x y"],
    [["unseal", "--new-epoch"], "--new-epoch is for ensure"],
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
    expect(() => parseCommandLine(argv)).toThrow(
      expect.objectContaining({
        message: `command line: ${what}`,
        hint: "npx foundation vault --help",
        exitCode: EXIT.usage,
      }),
    );
  });
});
