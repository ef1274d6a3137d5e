import { posix } from "node:path";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { EXIT, UserError } from "../errors.ts";
import type { Effects } from "./effects.ts";
import { keysRefused, type Repository } from "./restic.ts";

const TIMEOUT_SECONDS = 8;
const LOOK = "npx foundation offsite check";

/** What the S3 client throws: status and code of an answer, or the system's code where there was none. */
interface S3Failure extends NodeJS.ErrnoException {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly Code?: string;
}

/**
 * Asks the offsite for the repository's configuration. restic itself would try for a quarter of an hour before it says
 * that nobody answers, or that there is no such bucket.
 *
 * @param ca text of the CA certificate; undefined for the public ones
 * @throws UserError that says which of the ways to fail it is
 */
export async function probeOffsite(effects: Effects, repository: Repository, ca: string | undefined): Promise<void> {
  const { url, username, password } = repository;
  if (url.startsWith("s3:")) {
    if (await hasRepository(repository)) return;
    throw noRepository(repository);
  }
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  const address = url.replace(/^rest:/, "");
  let status: number;
  try {
    const request = { method: "GET", url: `${address}config`, headers: { authorization } } as const;
    const trust = ca === undefined ? {} : { ca };
    ({ status } = await effects.request({ ...request, ...trust, timeoutSeconds: TIMEOUT_SECONDS }));
  } catch (error) {
    throw unreachable(new URL(address).host, error as NodeJS.ErrnoException);
  }
  switch (status) {
    case 200:
      return;
    case 401:
      throw new UserError(
        "offsite: refuses this VM's credentials",
        "another VM has taken this foundation over: turn this one off; if none has: pulumi up",
        EXIT.refused,
      );
    case 404:
      throw new UserError(
        "offsite: there is no repository",
        "a new offsite: pulumi up; otherwise somebody removed it: look at the offsite before anything else",
        EXIT.refused,
      );
    default:
      throw new UserError(`offsite: answers with HTTP ${String(status)}`, LOOK, EXIT.unreachable);
  }
}

/**
 * Whether an S3 server has the repository's configuration, which restic reads first too: it takes no other right. In a
 * bucket that does not exist there is none; restic creates both.
 *
 * @throws UserError where the server says neither
 */
export async function hasRepository({ url, username, password, region = "us-east-1" }: Repository): Promise<boolean> {
  const address = new URL(url.slice("s3:".length));
  const [, bucket = "", ...path] = address.pathname.split("/");
  const client = new S3Client({
    endpoint: address.origin,
    region,
    credentials: { accessKeyId: username, secretAccessKey: password },
    forcePathStyle: true,
    maxAttempts: 1,
    responseChecksumValidation: "WHEN_REQUIRED",
    // restic finds the region of a bucket by itself.
    followRegionRedirects: true,
  });
  const abortSignal = AbortSignal.timeout(TIMEOUT_SECONDS * 1000);
  try {
    await client.send(new GetObjectCommand({ Bucket: bucket, Key: posix.join(...path, "config") }), { abortSignal });
    return true;
  } catch (error) {
    const silent = `no answer in ${String(TIMEOUT_SECONDS)} s`;
    const failure: S3Failure = abortSignal.aborted ? new Error(silent) : (error as S3Failure);
    if (failure.Code === "NoSuchKey" || failure.Code === "NoSuchBucket") return false;
    throw explainFailure(failure, address);
  } finally {
    client.destroy();
  }
}

function explainFailure(failure: S3Failure, { origin, host }: URL): UserError {
  const { $metadata, Code: code, message } = failure;
  const status = $metadata?.httpStatusCode;
  if (status === undefined) {
    return new UserError(unreachable(host, failure).message, `is it up? curl -v ${origin}/`, EXIT.unreachable);
  }
  // Where the answer was not S3's XML, the message is about that.
  const said = `HTTP ${String(status)}${code === undefined ? "" : `: ${code}: ${message}`}`;
  if (status === 401 || status === 403) return keysRefused(said);
  return new UserError(
    `offsite: ${host}: answers with ${said}`,
    "compare foundation:offsite.repository and foundation:offsite.region with what its keeper says",
    EXIT.unreachable,
  );
}

/** Of a repository that nobody may take for a new one. */
export function noRepository({ url }: Repository): UserError {
  return new UserError(
    `offsite: there is no repository ${url}`,
    "if there never was one: pulumi config set foundation:seed fresh, pulumi up, and auto again; " +
      "otherwise somebody removed it: find out who",
    EXIT.refused,
  );
}

function unreachable(host: string, { code = "", message }: NodeJS.ErrnoException): UserError {
  if (/CERT|SELF_SIGNED|ISSUER|ALTNAME|TLS|SSL/.test(code)) {
    return new UserError(
      `offsite: ${host}: has a certificate of somebody else: ${code}`,
      "if the offsite was set up anew: pulumi up; otherwise somebody stands in between",
      EXIT.unreachable,
    );
  }
  return new UserError(`offsite: ${host}: ${code || message}`, `is it up? ${LOOK}`, EXIT.unreachable);
}
