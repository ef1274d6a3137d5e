import { UserError } from "../errors.ts";
import type { Http } from "./http.ts";
import type { Scratch } from "./scratch.ts";

/** Who uses the forge's API, and how it is reached. */
export interface ForgeAccess {
  /** host name of the forge */
  readonly site: string;
  readonly username: string;
  readonly password: string;
  readonly http: Http;
  /** the same, also after Ctrl-C: for undoing */
  readonly httpForCleanup: Http;
}

/** The forge's API, logged in on first use. Paths are those below `/api/v1`. */
export interface ForgeClient {
  /** An access token; works wherever the password does. */
  token(): Promise<string>;
  /**
   * @param cleaningUp send it although Ctrl-C was pressed
   * @returns the answer's JSON; undefined where the answer is empty
   * @throws UserError where the forge refuses
   */
  call(method: string, path: string, body?: object, cleaningUp?: boolean): Promise<unknown>;
  /** As a GET of `call`, but undefined where there is no such thing. */
  find(path: string): Promise<unknown>;
}

/**
 * @param scratch lasts as long as the client; the token has its name and goes with it
 * @param scopes what the token is good for
 */
export function openForgeClient(access: ForgeAccess, scratch: Scratch, scopes: readonly string[]): ForgeClient {
  let issued: Promise<string> | undefined;
  const token = () => (issued ??= issueToken(access, scratch, scopes));
  const send = async (method: string, path: string, body?: object, cleaningUp = false) =>
    request(access, `token ${await token()}`, method, path, body, cleaningUp);
  return {
    token,
    call: async (method, path, body, cleaningUp) => contentOf(await send(method, path, body, cleaningUp)),
    find: async (path) => {
      const answer = await send("GET", path);
      return answer.status === 404 ? undefined : contentOf(answer);
    },
  };
}

// Tokens are managed with the password only, so that a stolen token cannot make others.
async function issueToken(access: ForgeAccess, scratch: Scratch, scopes: readonly string[]): Promise<string> {
  const password = `Basic ${Buffer.from(`${access.username}:${access.password}`).toString("base64")}`;
  const path = `/users/${access.username}/tokens`;
  const created = contentOf(await request(access, password, "POST", path, { name: scratch.id, scopes }));
  scratch.defer(async () => {
    contentOf(await request(access, password, "DELETE", `${path}/${scratch.id}`, undefined, true));
  });
  return (created as { sha1: string }).sha1;
}

interface Answer {
  readonly what: string;
  readonly status: number;
  readonly text: string;
}

async function request(
  access: ForgeAccess,
  authorization: string,
  method: string,
  path: string,
  body?: object,
  cleaningUp = false,
): Promise<Answer> {
  const url = `https://${access.site}/api/v1${path}`;
  const http = cleaningUp ? access.httpForCleanup : access.http;
  const response = await http(method, url, { headers: { authorization }, body });
  return { what: `${method} ${url}`, status: response.status, text: response.body.toString() };
}

function contentOf({ what, status, text }: Answer): unknown {
  if (status >= 200 && status < 300) return text === "" ? undefined : JSON.parse(text);
  throw new UserError(
    `${what}: HTTP ${status}${messageIn(text)}`,
    status === 401
      ? "the administrator's password was changed outside of the foundation: pulumi up sets it again"
      : "look at the forge's log: docker logs --tail 50 forgejo on the VM",
  );
}

function messageIn(text: string): string {
  try {
    return `: ${(JSON.parse(text) as { message: string }).message}`;
  } catch {
    return "";
  }
}
