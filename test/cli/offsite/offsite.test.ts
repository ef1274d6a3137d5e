import { describe, expect, it } from "vitest";
import type { OffsiteHost } from "../../../cli/backup/offsite-host.ts";
import type { Finished, RunOptions } from "../../../cli/exec.ts";
import { findProblems, forget, listSnapshots, moveAside, readFacts } from "../../../cli/offsite/offsite.ts";
import { formatFacts } from "../../../cli/offsite/report.ts";

const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVhIFhXeXUT/VhyvzD9sZQx3YTiRGvxVzGM7yCGUdWj";
const PASSWORD = "password-of-the-repository";
const STATUS = `owner=4861e437b2d494ac
generation={"generation":2,"vmId":"0123456789abcdef0123456789abcdef","since":"2026-11-20T10:00:00Z"}
server=running 127.0.0.1:5000/foundation/rest-server:0.14.0@sha256:abc
repository=present
bytes=3221225472
free_bytes=53687091200
snapshots=12
newest=1795261500.25
watched=ok 1795262300
pruned=1795000000
clock=1795262400
`;

/** An offsite that answers everything in one way, and remembers the command lines and inputs. */
function fake(answer: Partial<Finished>) {
  const commands: string[] = [];
  const inputs: RunOptions["input"][] = [];
  const host: OffsiteHost = {
    run: (program, args, options) => {
      commands.push(args.at(-1) ?? "");
      inputs.push(options?.input);
      expect([program, ...args].join(" ")).not.toContain(PASSWORD);
      return Promise.resolve({ exitCode: 0, stdout: "", stderr: "", ...answer });
    },
    target: { address: "198.51.100.9", user: "backup", port: 22, hostKey: HOST_KEY },
    where: "offsite",
  };
  return { host, commands, inputs };
}

describe("status", () => {
  it("reads what the offsite says of itself", async () => {
    const { host, commands } = fake({ stdout: STATUS });
    const facts = await readFacts(host);
    expect(commands).toEqual(["sudo -n /usr/local/lib/foundation/offsite status"]);
    expect(findProblems(facts, 15)).toEqual([]);
    expect(formatFacts(facts, findProblems(facts, 5))).toBe(`server      running
foundation  4861e437b2d494ac
VM          number 2, since 2026-11-20T10:00:00Z
held        3.00 GiB in 12 snapshots; 50.00 GiB free
newest      2026-11-21T11:45:00Z, 15 min ago
pruned      2026-11-18T11:06:40Z
! the newest snapshot is 15 min old, and one is due every 5 min`);
  });

  it.each([
    [
      /newest=.*\n(.*)\npruned=.*/,
      "newest=\n$1\npruned=",
      "newest      none\npruned      never\n! there is no backup yet",
    ],
    [/server=running.*/, "server=missing", "! the REST server is missing"],
    [/repository=present/, "repository=missing", "! the repository is gone"],
    [
      /watched=.*/,
      "watched=",
      "! nobody watches whether backups arrive: systemctl status foundation-offsite-watch.timer (there)",
    ],
    [
      /watched=.*/,
      "watched=late 1795261000",
      "! nobody watches whether backups arrive: systemctl status foundation-offsite-watch.timer (there)",
    ],
    [/generation=.*/, "generation=", "VM          none yet"],
  ])("says what is wrong: %s", async (line, other, shown) => {
    const facts = await readFacts(fake({ stdout: STATUS.replace(line, other) }).host);
    expect(formatFacts(facts, findProblems(facts, 15))).toContain(shown);
  });
});

describe("restic on the offsite", () => {
  it("gets the password through standard input, and as many ids as a command line holds", async () => {
    const { host, commands, inputs } = fake({});
    const ids = Array.from({ length: 501 }, (_, index) => index.toString(16).padStart(64, "0"));
    await forget(host, PASSWORD, ids);
    const restic = "sudo -n /usr/local/lib/foundation/offsite restic";
    expect(commands).toEqual([
      `${restic} forget --retry-lock 10m ${ids.slice(0, 500).join(" ")}`,
      `${restic} forget --retry-lock 10m ${ids[500] ?? ""}`,
      `${restic} prune --retry-lock 10m`,
    ]);
    expect(inputs).toEqual([`${PASSWORD}\n`, `${PASSWORD}\n`, `${PASSWORD}\n`]);
  });

  it("that cannot read the repository points to what helps", async () => {
    const { host } = fake({ exitCode: 1, stderr: "Fatal: unable to load index 12345678\n" });
    await expect(listSnapshots(host, PASSWORD)).rejects.toMatchObject({
      message: "offsite: Fatal: unable to load index 12345678",
      hint: "what is unreadable can be moved aside: npx foundation offsite quarantine --help",
      exitCode: 1,
    });
  });
});

it("quarantine says where things are now", async () => {
  const aside = "/var/lib/foundation-offsite/quarantine/20261121T120000Z";
  const { host, commands } = fake({ stdout: `keys abc 1.5 12\n${aside}\n` });
  expect(await moveAside(host, 1_795_261_500.25)).toBe(aside);
  expect(commands).toEqual(["sudo -n /usr/local/lib/foundation/offsite quarantine 1795261500.25"]);
});
