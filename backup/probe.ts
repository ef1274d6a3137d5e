import { EXIT, UserError } from "../errors.ts";
import type { Effects } from "./effects.ts";
import type { Repository } from "./restic.ts";

const TIMEOUT_SECONDS = 8;
const LOOK = "npx foundation offsite check";

/**
 * Asks the offsite for the repository's configuration. restic itself would try for a quarter of an hour before it says
 * that nobody answers.
 *
 * @param ca text of the CA certificate; undefined for the public ones
 * @throws UserError that says which of the ways to fail it is
 */
export async function probeOffsite(effects: Effects, repository: Repository, ca: string | undefined): Promise<void> {
  const { url, username, password } = repository;
  if (url.startsWith("s3:")) {
    await probeServer(effects, new URL(url.slice("s3:".length)));
    return;
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

/** Of an S3 server every answer will do: what is in it, and whether it may be read, restic says at once. */
async function probeServer(effects: Effects, { origin, host }: URL): Promise<void> {
  try {
    await effects.request({ method: "GET", url: `${origin}/`, timeoutSeconds: TIMEOUT_SECONDS });
  } catch (error) {
    const { message } = unreachable(host, error as NodeJS.ErrnoException);
    throw new UserError(message, `is it up? curl -v ${origin}/`, EXIT.unreachable);
  }
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
