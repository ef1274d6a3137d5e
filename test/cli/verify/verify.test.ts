import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { Skipped, type Check } from "../../../cli/verify/check.ts";
import { scan } from "../../../cli/verify/checks/ports.ts";
import type { VerifyContext } from "../../../cli/verify/context.ts";
import { formatProgress, formatTable, isolationOf } from "../../../cli/verify/report.ts";
import { CHECKS, chooseChecks, runChecks, type Result } from "../../../cli/verify/verify.ts";
import { EXIT, UserError } from "../../../errors.ts";

// these checks use nothing of it
const context = { forge: {}, sites: {} } as VerifyContext;

function check(name: string, run: () => Promise<string>): Check {
  return { name, title: name.toUpperCase(), run };
}

describe("runChecks", () => {
  test("runs all to their end and tells failures of the foundation from missing clients", async () => {
    const seen: string[] = [];
    const results = await runChecks(
      [
        check("slow", () => new Promise((resolve) => setTimeout(resolve, 50, "done slowly"))),
        check("bad", () => Promise.reject(new UserError("push: refused", "look at the log"))),
        check("client", () => Promise.reject(new Skipped("npm is not installed on this machine"))),
        check("library", () => Promise.reject(Object.assign(new Error("Access Denied"), { name: "AccessDenied" }))),
        check("plain", () => Promise.reject(new Error("socket hang up"))),
      ],
      context,
      ({ name }) => seen.push(name),
    );
    expect(results.map(({ seconds: _seconds, ...rest }) => rest)).toEqual([
      { name: "slow", title: "SLOW", outcome: "passed", detail: "done slowly" },
      { name: "bad", title: "BAD", outcome: "failed", detail: "push: refused", hint: "look at the log" },
      { name: "client", title: "CLIENT", outcome: "skipped", detail: "npm is not installed on this machine" },
      { name: "library", title: "LIBRARY", outcome: "failed", detail: "AccessDenied: Access Denied" },
      { name: "plain", title: "PLAIN", outcome: "failed", detail: "socket hang up" },
    ]);
    expect(seen.at(-1)).toBe("slow");
  });

  test("Ctrl-C is not a failed check, and waits for the others to clean up", async () => {
    let cleaned = false;
    const interrupted = new UserError("interrupted", "run the command again", EXIT.interrupted);
    const running = runChecks(
      [
        check("one", () => Promise.reject(interrupted)),
        check("two", async () => {
          await new Promise((resolve) => setTimeout(resolve, 50));
          cleaned = true;
          throw interrupted;
        }),
      ],
      context,
    );
    await expect(running).rejects.toBe(interrupted);
    expect(cleaned).toBe(true);
  });
});

test("chooseChecks keeps the order of the table", () => {
  expect(chooseChecks([])).toBe(CHECKS);
  expect(chooseChecks(["s3", "tls"]).map(({ name }) => name)).toEqual(["tls", "s3"]);
});

test("names of checks are unique words for the command line", () => {
  const names = CHECKS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[a-z0-9-]+$/);
});

const results: Result[] = [
  { name: "tls", title: "TLS", outcome: "passed", seconds: 0.4, detail: "4 sites" },
  { name: "git-https", title: "git over HTTPS", outcome: "failed", seconds: 12, detail: "git push: no", hint: "look" },
  { name: "npm", title: "npm registry", outcome: "skipped", seconds: 0, detail: "npm is not installed" },
];

test("formatTable", () => {
  expect(formatTable(results, 80, "rootless"))
    .toBe(`┌─────────────────────┬─────────┬─────────┬────────────────────────────────────┐
│ check               │ result  │    time │ what was done                      │
│ TLS                 │ ok      │   0.4 s │ 4 sites                            │
│ git over HTTPS      │ FAILED  │  12.0 s │ git push: no                       │
│ npm registry        │ skipped │   0.0 s │ npm is not installed               │
└─────────────────────┴─────────┴─────────┴────────────────────────────────────┘
hint: git over HTTPS: look
1 passed, 1 failed, 1 skipped
runner: rootless`);
});

test.each([
  [{ enabled: true, isolation: "rootless" }, "rootless"],
  [{ enabled: true, isolation: "container" }, "container"],
  [{ enabled: false, isolation: "rootless" }, "off"],
] as const)("jobs with %j are isolated: %s", (runner, isolation) => {
  expect(isolationOf({ runner })).toBe(isolation);
});

test("formatProgress", () => {
  expect(results.map(formatProgress)).toEqual([
    "ok       TLS (0.4 s)",
    "FAILED   git over HTTPS (12.0 s)",
    "skipped  npm registry (0.0 s)",
  ]);
});

test("scan finds the open ports and no others", async () => {
  const listeners = [createServer(), createServer()];
  const ports = await Promise.all(
    listeners.map(async (listener) => {
      listener.listen(0, "127.0.0.1");
      await once(listener, "listening");
      return (listener.address() as AddressInfo).port;
    }),
  );
  const closed = listeners.pop();
  closed?.close();
  await once(closed ?? createServer(), "close");
  expect(await scan("127.0.0.1", [...ports, 1])).toEqual([ports[0]]);
  listeners[0]?.close();
});
