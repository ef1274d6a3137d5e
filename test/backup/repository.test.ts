import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Effects, Finished } from "../../backup/effects.ts";
import { probeOffsite } from "../../backup/probe.ts";
import { claimRepository, openRepository, requireOwnRepository } from "../../backup/repository.ts";
import { Restic, resticEnvironment, type Repository } from "../../backup/restic.ts";
import { EXIT, UserError } from "../../errors.ts";

const OFFSITE = { username: "AKIA123", region: "eu-1" };
const [OLD, NEW] = ["1".repeat(32), "2".repeat(32)];

/** A repository with its take-overs, oldest first; undefined where there is none. */
let takeOvers: string[] | undefined;
let bucketExists: boolean;
let mayWrite: boolean;
/** what the server says instead of what it has: HTTP status and S3's code */
let failure: [status: number, code: string] | undefined;
/** what was asked of the S3 server and of restic, and what was reported */
let asked: string[];
let server: Server;
let host: string;
let repository: Repository;
beforeEach(async () => {
  [takeOvers, bucketExists, mayWrite, failure, asked] = [undefined, true, true, undefined, []];
  server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  host = `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  repository = {
    ...OFFSITE,
    url: `s3:http://${host}/bucket/foundation`,
    password: "secret-of-the-bucket",
    passwordFile: "/etc/foundation/restic_password",
    caFile: "/tmp/public-ca.pem",
    cacheDirectory: "/cache",
  };
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function answer({ method = "", url = "", headers }: IncomingMessage, response: ServerResponse): void {
  asked.push(`${method} ${url.replace(/\?.*/, "")}`);
  expect(headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIA123\/\d+\/eu-1\/s3\/aws4_request/);
  const [status, code] = failure ?? [404, bucketExists ? "NoSuchKey" : "NoSuchBucket"];
  if (failure === undefined && takeOvers !== undefined) response.end("encrypted");
  else response.writeHead(status).end(`<Error><Code>${code}</Code><Message>in its words</Message></Error>`);
}

const effects = {
  report: (line: string) => asked.push(line),
  run: (_program: string, args: readonly string[]) => Promise.resolve(restic(args)),
} as unknown as Effects;

/** In a bucket that does not exist, and before a server that does not answer, restic tries for a quarter of an hour. */
function restic(args: readonly string[]): Finished {
  asked.push(args.filter((word) => !word.startsWith("--")).join(" "));
  if (!mayWrite) return { exitCode: 1, stdout: "", stderr: "Fatal: create repository failed: Access Denied.\n" };
  if (args[0] === "init") [takeOvers, bucketExists] = [[], true];
  if (!bucketExists || failure !== undefined)
    throw new UserError("restic: no result in 300 s", "run the command again");
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
    const opened = await openRepository({ ...OFFSITE, url: repository.url }, "secret-of-the-bucket", {
      files: "/etc/foundation",
      cache: "/cache",
      temporary,
    });
    expect(resticEnvironment(opened)).toEqual({
      RESTIC_REPOSITORY: repository.url,
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

  it.each([
    ["in a bucket that is there", true],
    ["with its bucket", false],
  ])("is created only where a fresh foundation is wanted, %s", async (_where, exists) => {
    bucketExists = exists;
    const refusal = {
      message: `offsite: there is no repository ${repository.url}`,
      hint:
        "if there never was one: pulumi config set foundation:seed fresh, pulumi up, and auto again; " +
        "otherwise somebody removed it: find out who",
      exitCode: EXIT.refused,
    };
    await expect(claimRepository(of(OLD), "auto")).rejects.toMatchObject(refusal);
    await expect(probeOffsite(effects, repository, undefined)).rejects.toMatchObject(refusal);
    expect(asked).toEqual(Array(2).fill("GET /bucket/foundation/config"));
    await claimRepository(of(OLD), "fresh");
    expect(takeOvers).toEqual([OLD]);
    expect(asked).toContain(`seed: created the repository ${repository.url}`);
    await probeOffsite(effects, repository, undefined);
  });

  it("may be a whole bucket", async () => {
    takeOvers = [NEW];
    await probeOffsite(effects, { ...repository, url: `s3:http://${host}/bucket` }, undefined);
    expect(asked).toEqual(["GET /bucket/config"]);
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

  it.each(["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"])(
    "that refuses the keys says so, and restic is not asked: %s",
    async (code) => {
      failure = [403, code];
      await expect(claimRepository(of(NEW), "fresh")).rejects.toMatchObject({
        message: `offsite: refuses this access key: HTTP 403: ${code}: in its words`,
        hint: "pulumi config set --path --secret foundation:offsite.secretAccessKey, then pulumi up",
        exitCode: EXIT.refused,
      });
      expect(asked).toEqual(["GET /bucket/foundation/config"]);
    },
  );

  it("that may be read with the keys and not created says so", async () => {
    mayWrite = false;
    await expect(claimRepository(of(NEW), "fresh")).rejects.toMatchObject({
      message: "offsite: refuses this access key: Fatal: create repository failed: Access Denied.",
      exitCode: EXIT.refused,
    });
  });

  it.each([
    [503, "SlowDown"],
    [400, "AuthorizationHeaderMalformed"],
  ])("that answers with something else is not taken for an empty one: HTTP %i", async (status, code) => {
    failure = [status, code];
    await expect(claimRepository(of(NEW), "fresh")).rejects.toMatchObject({
      message: `offsite: ${host}: answers with HTTP ${String(status)}: ${code}: in its words`,
      hint: "compare foundation:offsite.repository and foundation:offsite.region with what its keeper says",
      exitCode: EXIT.unreachable,
    });
    expect(asked).toEqual(["GET /bucket/foundation/config"]);
  });

  it("whose address is that of a server of another kind is not created there", async () => {
    server.removeAllListeners("request").on("request", (_request, response: ServerResponse) => {
      response.writeHead(404, { "content-type": "text/html" }).end("<html><body>not here</body></html>");
    });
    await expect(claimRepository(of(NEW), "fresh")).rejects.toMatchObject({
      message: `offsite: ${host}: answers with HTTP 404`,
      exitCode: EXIT.unreachable,
    });
  });

  it("is asked for an answer before restic tries for a quarter of an hour", async () => {
    server.close();
    await expect(claimRepository(of(NEW), "fresh")).rejects.toMatchObject({
      message: `offsite: ${host}: ECONNREFUSED`,
      hint: `is it up? curl -v http://${host}/`,
      exitCode: EXIT.unreachable,
    });
    expect(asked).toEqual([]);
  });
});

it("a server of ours needs no claim: it tells VMs apart itself", async () => {
  const ours = { ...repository, url: "rest:https://198.51.100.9:8000/foundation-x/" };
  await requireOwnRepository({ ...of(NEW), repository: ours });
  expect(asked).toEqual([]);
});
