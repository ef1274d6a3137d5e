import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { Effects, Finished } from "../../backup/effects.ts";
import { claimRepository, openRepository, requireOwnRepository } from "../../backup/repository.ts";
import { Restic, resticEnvironment, type Repository } from "../../backup/restic.ts";
import { EXIT } from "../../errors.ts";

const OFFSITE = { url: "s3:https://s3.example.net/bucket/foundation", username: "AKIA123", region: "eu-1" };
const [OLD, NEW] = ["1".repeat(32), "2".repeat(32)];
const repository: Repository = {
  ...OFFSITE,
  password: "secret-of-the-bucket",
  passwordFile: "/etc/foundation/restic_password",
  caFile: "/tmp/public-ca.pem",
  cacheDirectory: "/cache",
};

/** A repository with its take-overs, oldest first; undefined where there is none. */
let takeOvers: string[] | undefined;
let asked: string[];
let answers: boolean;
let refused: boolean;
beforeEach(() => {
  [takeOvers, asked, answers, refused] = [undefined, [], true, false];
});

const effects = {
  report: (line: string) => asked.push(line),
  request: ({ url }: { url: string }) => {
    asked.push(`GET ${url}`);
    return answers
      ? Promise.resolve({ status: 403, body: "" })
      : Promise.reject(Object.assign(new Error(), { code: "ECONNREFUSED" }));
  },
  run: (_program: string, args: readonly string[]) => Promise.resolve(restic(args)),
} as unknown as Effects;

function restic(args: readonly string[]): Finished {
  asked.push(args.filter((word) => !word.startsWith("--")).join(" "));
  if (refused) {
    const stderr = `Fatal: unable to open config file: Stat: Access Denied.\nIs there a repository at the following location?\n${OFFSITE.url}\n`;
    return { exitCode: 1, stdout: "", stderr };
  }
  if (args[0] === "init") takeOvers = [];
  if (takeOvers === undefined) return { exitCode: 10, stdout: "", stderr: "Fatal: repository does not exist\n" };
  if (args[0] === "backup") takeOvers.push(String(args.find((word) => word.startsWith("vm-"))).slice("vm-".length));
  const list = takeOvers.map((vm, at) => ({
    id: String(at),
    time: new Date(at).toISOString(),
    tags: ["generation", `vm-${vm}`],
  }));
  return { exitCode: 0, stdout: JSON.stringify(list), stderr: "" };
}

const readOnly = { vmId: NEW, readOnly: true };
const of = (vmId: string) => ({ effects, restic: new Restic(effects, repository), repository, plan: { vmId } });

describe("a repository that somebody else keeps", () => {
  it("on a host of ours is opened with the key that its host names, whatever lies beside it", async () => {
    const url = "rest:https://198.51.100.9:8000/foundation/";
    const directories = { files: "/etc/foundation", cache: "/cache", temporary: "/tmp" };
    const ours = { url, username: "foundation", keyHint: "ab".repeat(32) };
    expect(resticEnvironment(await openRepository(ours, "secret", directories))).toMatchObject({
      RESTIC_REPOSITORY: url,
      RESTIC_KEY_HINT: "ab".repeat(32),
    });
  });

  it("is reached with its own keys, region and the public CAs", async () => {
    const temporary = mkdtempSync(join(tmpdir(), "repository-"));
    const opened = await openRepository(OFFSITE, "secret-of-the-bucket", {
      files: "/etc/foundation",
      cache: "/cache",
      temporary,
    });
    expect(resticEnvironment(opened)).toEqual({
      RESTIC_REPOSITORY: OFFSITE.url,
      AWS_ACCESS_KEY_ID: "AKIA123",
      AWS_SECRET_ACCESS_KEY: "secret-of-the-bucket",
      AWS_DEFAULT_REGION: "eu-1",
      RESTIC_PASSWORD_FILE: "/etc/foundation/restic_password",
      RESTIC_CACERT: join(temporary, "public-ca.pem"),
      RESTIC_CACHE_DIR: "/cache",
      TMPDIR: "/",
      RESTIC_PROGRESS_FPS: "0.5",
    });
    expect(readFileSync(join(temporary, "public-ca.pem"), "utf8")).toMatch(/^-----BEGIN CERTIFICATE-----/);
    rmSync(temporary, { recursive: true });
  });

  it("is created only where a fresh foundation is wanted", async () => {
    await expect(claimRepository(of(OLD), "auto")).rejects.toMatchObject({
      message: "offsite: there is no repository s3:https://s3.example.net/bucket/foundation",
      exitCode: EXIT.refused,
    });
    expect(takeOvers).toBeUndefined();
    await claimRepository(of(OLD), "fresh");
    expect(takeOvers).toEqual([OLD]);
    expect(asked).toContain("seed: created the repository s3:https://s3.example.net/bucket/foundation");
  });

  it("is claimed once by each VM, and the one that was replaced is refused", async () => {
    takeOvers = [OLD];
    await claimRepository(of(OLD), "auto");
    await claimRepository(of(NEW), "auto");
    await claimRepository(of(NEW), "auto");
    expect(takeOvers).toEqual([OLD, NEW]);
    await requireOwnRepository(of(NEW));
    const refusal = {
      message: "offsite: VM 22222222 has taken the repository over, not this one (11111111)",
      hint: "turn this VM off if it was replaced; if it was not: pulumi up",
      exitCode: EXIT.refused,
    };
    await expect(requireOwnRepository(of(OLD))).rejects.toMatchObject(refusal);
    await expect(claimRepository(of(OLD), "auto")).rejects.toMatchObject(refusal);
    expect(takeOvers).toEqual([OLD, NEW]);
  });

  it("takes no backup of a VM that has not claimed it", async () => {
    takeOvers = [];
    await expect(requireOwnRepository(of(NEW))).rejects.toThrow(
      "offsite: no VM has taken the repository over, not this one (22222222)",
    );
  });

  it("is not taken over by a drill, and nothing is backed up from there", async () => {
    takeOvers = [OLD];
    await claimRepository({ ...of(NEW), plan: readOnly }, "auto");
    expect([takeOvers, asked]).toEqual([[OLD], []]);
    const url = "rest:https://198.51.100.9:8000/foundation-x/";
    for (const each of [repository, { ...repository, url }]) {
      await expect(requireOwnRepository({ ...of(NEW), repository: each, plan: readOnly })).rejects.toMatchObject({
        message: `offsite: ${each.url} is only read by this host: another one backs up there`,
        exitCode: EXIT.refused,
      });
    }
  });

  it("that refuses the keys says so", async () => {
    [takeOvers, refused] = [[], true];
    await expect(claimRepository(of(NEW), "auto")).rejects.toMatchObject({
      message: "offsite: refuses this access key: Fatal: unable to open config file: Stat: Access Denied.",
      hint: "pulumi config set --path --secret foundation:offsite.secretAccessKey, then pulumi up",
      exitCode: EXIT.refused,
    });
  });

  it("is asked for an answer of any kind before restic tries for a quarter of an hour", async () => {
    answers = false;
    await expect(claimRepository(of(NEW), "fresh")).rejects.toMatchObject({
      message: "offsite: s3.example.net: ECONNREFUSED",
      hint: "is it up? curl -v https://s3.example.net/",
      exitCode: EXIT.unreachable,
    });
    expect(asked).toEqual(["GET https://s3.example.net/"]);
  });
});

it("a server of ours needs no claim: it tells VMs apart itself", async () => {
  const ours = { ...repository, url: "rest:https://198.51.100.9:8000/foundation-x/" };
  await requireOwnRepository({ ...of(NEW), repository: ours });
  expect(asked).toEqual([]);
});
