import { expect, test } from "vitest";
import { formatAge } from "../../../cli/backup/commits.ts";
import { formatReadiness, judgeOffsite } from "../../../cli/backup/dr-check.ts";
import { chooseStack } from "../../../cli/backup/dr-fetch.ts";
import type { OffsiteFacts } from "../../../cli/offsite/offsite.ts";
import { parseTarget } from "../../../cli/target.ts";
import { EXIT } from "../../../errors.ts";

const facts: OffsiteFacts = {
  owner: "aaaaaaaaaaaaaaaa",
  generation: { generation: 2, vmId: "b".repeat(32), since: "2026-01-31T12:00:00Z" },
  server: "running",
  hasRepository: true,
  keyHint: undefined,
  bytes: 1,
  freeBytes: 47.5 * 2 ** 30,
  snapshots: 3,
  newestSeconds: 1000,
  prunedSeconds: undefined,
  watchedSeconds: 1900,
  nowSeconds: 2000,
};

test("an offsite that is as it should be", () => {
  expect(formatReadiness(judgeOffsite(facts, facts.owner, 2010))).toBe(
    `ok     repository         ours, 47 GiB free, generation 2: VM bbbbbbbb since 2026-01-31T12:00:00Z
ok     REST server        running`,
  );
});

test("everything that is wrong with it is said, with what to do", () => {
  const bad = { ...facts, owner: "", server: "missing", nowSeconds: 9000 };
  expect(formatReadiness(judgeOffsite(bad, facts.owner, 2010))).toBe(
    `TO DO  repository         belongs to nobody, not to aaaaaaaaaaaaaaaa
       hint: is foundation:offsite the right one? if so: pulumi up
TO DO  REST server        missing
       hint: docker start offsite (on the offsite), or: pulumi up
TO DO  clock              the offsite's differs from this machine's by 2 h
       hint: on whichever is wrong: timedatectl set-ntp true`,
  );
  expect(judgeOffsite({ ...facts, hasRepository: false }, facts.owner, 2000)[0]).toEqual({
    what: "repository",
    good: false,
    detail: "gone",
    hint: "see docs/recovery.md",
  });
});

test.each([
  [-5, "0 s"],
  [89, "89 s"],
  [90, "2 min"],
  [89 * 60, "89 min"],
  [7200, "2 h"],
  [72 * 3600, "3 days"],
])("formatAge(%d)", (seconds, text) => {
  expect(formatAge(seconds)).toBe(text);
});

test("chooseStack: the only one, or the one that is named", () => {
  const files = ["kit.json", "prod.key.json", "RECOVERY.md"];
  expect(chooseStack(files, undefined)).toBe("prod");
  expect(chooseStack([...files, "test.key.json"], "test")).toBe("test");
  const refusal = (names: string[], wanted?: string) => {
    try {
      return chooseStack(names, wanted);
    } catch (error) {
      const { message, hint, exitCode } = error as { message: string; hint: string; exitCode: number };
      return { message, hint, exitCode };
    }
  };
  expect(refusal([...files, "test.key.json"])).toEqual({
    message: "dr: the offsite has the key files of 2 stacks",
    hint: "--stack, one of: prod, test",
    exitCode: EXIT.keyFile,
  });
  expect(refusal([])).toEqual({
    message: "dr: the offsite has the key files of 0 stacks",
    hint: "is it the offsite of this foundation?",
    exitCode: EXIT.keyFile,
  });
  expect(refusal(files, "other")).toEqual({
    message: "dr: the offsite has no key file of stack other",
    hint: "--stack, one of: prod",
    exitCode: EXIT.keyFile,
  });
});

test("parseTarget: root and 22 where they are left out", () => {
  const hostKey = `ssh-ed25519 ${"A".repeat(68)}`;
  const parse = (text: string) => parseTarget("dr", "--offsite", text, hostKey);
  expect(parse("198.51.100.9")).toEqual({ user: "root", address: "198.51.100.9", port: 22, hostKey });
  expect(parse("ops@b.example.org:2200")).toEqual({
    user: "ops",
    address: "b.example.org",
    port: 2200,
    hostKey,
  });
  for (const bad of ["-oProxyCommand=x", "a:b:c", "a b", ""]) expect(() => parse(bad)).toThrow("not a host");
});
