import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRun } from "../../cli/exec.ts";
import { connectionError, fingerprint, runOnVm } from "../../cli/ssh.ts";
import { EXIT } from "../../errors.ts";
import type { SshTarget } from "../../ssh-target.ts";
import { startSshServer, type SshServer } from "./ssh-server.ts";
import { newSshKey } from "../ssh-key.ts";

const key = newSshKey();
const publicKey = key.public.split(" ").slice(0, 2).join(" ");
let home: string;
let open: SshServer;
let closed: SshServer;

beforeAll(async () => {
  open = await startSshServer([publicKey]);
  closed = await startSshServer([]);
  home = mkdtempSync(join(tmpdir(), "foundation-ssh-"));
  // ssh takes the home directory from the user database, so the key is offered by a wrapper on PATH
  writeFileSync(join(home, "id"), key.private, { mode: 0o600 });
  const wrapper = join(home, "ssh");
  writeFileSync(wrapper, `#!/bin/sh\nexec /usr/bin/ssh -F /dev/null -i ${home}/id -o IdentitiesOnly=yes "$@"\n`);
  chmodSync(wrapper, 0o755);
});
afterAll(() => {
  open.close();
  closed.close();
  rmSync(home, { recursive: true });
});

const target = (server: SshServer, changes: Partial<SshTarget> = {}): SshTarget => {
  return { address: "127.0.0.1", user: "root", port: server.port, hostKey: server.hostKey, ...changes };
};
const reach = (vm: SshTarget, command = "true", input?: string) => {
  const run = createRun({ PATH: `${home}:${process.env["PATH"]}` }, new AbortController().signal);
  return runOnVm(run, "preflight", vm, command, input === undefined ? {} : { input });
};

describe("runOnVm", () => {
  test("runs a command and hands over standard input", async () => {
    expect(await reach(target(open), "cat; echo err >&2; exit 3", "in\n")).toEqual({
      exitCode: 3,
      stdout: "in\n",
      stderr: "err\n",
    });
  });

  test("says which host key was expected and which was presented", async () => {
    await expect(reach(target(open, { hostKey: closed.hostKey }))).rejects.toMatchObject({
      message:
        `preflight: root@127.0.0.1:${open.port}: the pinned host key is ${fingerprint(closed.hostKey)}, ` +
        `it presents ${fingerprint(open.hostKey).split(" ", 1)[0]}`,
      hint:
        "compare on the VM's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n" +
        'only if the VM was rebuilt: pulumi config set --path foundation:host.hostKey "$(ssh-keyscan -t ed25519 ' +
        `-p ${open.port} 127.0.0.1 | cut -d" " -f2-)"`,
      exitCode: EXIT.unreachable,
    });
  });

  test("says that the VM has no host key of the pinned type", async () => {
    const rsa = ssh2.utils.generateKeyPairSync("rsa", { bits: 2048 }).public.split(" ").slice(0, 2).join(" ");
    await expect(reach(target(open, { hostKey: rsa }))).rejects.toMatchObject({
      message: `preflight: root@127.0.0.1:${open.port}: the pinned host key is ${fingerprint(rsa)}, it presents none of that type`,
    });
  });

  test("says that the login is refused", async () => {
    await expect(reach(target(closed))).rejects.toMatchObject({
      message: `preflight: root@127.0.0.1:${closed.port}: login refused`,
      hint: `put your public key there and load the private one into the agent: ssh-add, then ssh -p ${closed.port} root@127.0.0.1 true`,
      exitCode: EXIT.unreachable,
    });
  });

  test("passes on why nothing can be reached", async () => {
    await expect(reach(target(open, { port: 1 }))).rejects.toMatchObject({
      message: "preflight: root@127.0.0.1:1: connect to host 127.0.0.1 port 1: Connection refused",
      hint: "is the VM up, and can it be reached from here? nc -vz 127.0.0.1 1",
      exitCode: EXIT.unreachable,
    });
  });
});

test("a failure of ssh without a word is named as such", () => {
  const vm = { address: "vm.example.org", user: "ops", port: 22, hostKey: "ssh-ed25519 AAAA" };
  expect(connectionError("verify", vm, "").message).toBe("verify: ops@vm.example.org:22: ssh gave no reason");
});

test("fingerprints are those of ssh-keygen -l", () => {
  const github = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
  expect(fingerprint(github)).toBe("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU (ssh-ed25519)");
});
