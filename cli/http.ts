import { Agent as PlainAgent, request as plainRequest, type IncomingHttpHeaders } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { EXIT, UserError } from "../errors.ts";

/** What a server answered; any status is an answer. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Headers and body of a request; an object as body is sent as JSON. */
export interface HttpRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | object;
  readonly timeoutSeconds?: number;
}

/** Sends one request, follows no redirect. */
export type Http = (method: string, url: string, request?: HttpRequest) => Promise<HttpResponse>;

/**
 * An HTTP client that trusts exactly one CA, which the built-in `fetch` cannot.
 *
 * @param ca PEM; undefined for the CAs that Node comes with
 * @param interrupted aborts what is under way
 * @returns a function that throws a UserError (unreachable) where no answer comes
 */
export function createHttp(ca: string | undefined, interrupted?: AbortSignal): Http {
  const tlsAgent = new TlsAgent({ ca, keepAlive: true, timeout: 60_000 });
  const plainAgent = new PlainAgent({ keepAlive: true });
  return (method, url, { headers, body, timeoutSeconds = 60 } = {}) => {
    const json = body !== undefined && !Buffer.isBuffer(body);
    const payload = json ? Buffer.from(JSON.stringify(body)) : body;
    const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
    const options = {
      method,
      headers: {
        ...(json ? { "content-type": "application/json" } : {}),
        ...(payload ? { "content-length": String(payload.length) } : {}),
        ...headers,
      },
      signal: interrupted ? AbortSignal.any([interrupted, timeout]) : timeout,
    };
    return new Promise((resolve, reject) => {
      const request = url.startsWith("https:")
        ? tlsRequest(url, { ...options, agent: tlsAgent })
        : plainRequest(url, { ...options, agent: plainAgent });
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
        });
      });
      request.on("error", (error: NodeJS.ErrnoException) => {
        reject(interrupted?.aborted ? interruption() : connectionError(url, error, timeoutSeconds));
      });
      request.end(payload);
    });
  };
}

/** The error with which everything ends after Ctrl-C. */
export function interruption(): UserError {
  return new UserError("interrupted", "run the command again", EXIT.interrupted);
}

function connectionError(url: string, error: NodeJS.ErrnoException, timeoutSeconds: number): UserError {
  const { origin, hostname } = new URL(url);
  const refuse = (what: string, hint: string) => new UserError(`${origin}: ${what}`, hint, EXIT.unreachable);
  switch (error.code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return refuse("the name does not resolve", `point ${hostname} at the VM in DNS or in /etc/hosts`);
    case "ABORT_ERR":
      return refuse(`no answer in ${timeoutSeconds} s`, "is the VM up? npx foundation preflight");
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "CERT_SIGNATURE_FAILURE": // the same name over another key
      return refuse("its certificate is not signed by the expected CA", "name the right one: --ca FILE");
    default:
      return refuse(error.message, "is the foundation deployed and running? pulumi up");
  }
}
