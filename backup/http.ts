import { createWriteStream } from "node:fs";
import { request as plainRequest, type IncomingMessage } from "node:http";
import { request as secureRequest } from "node:https";
import { pipeline } from "node:stream/promises";
import type { Effects, HttpAnswer, HttpRequest } from "./effects.ts";

/** Of an answer that is kept in memory. */
const BODY_LIMIT = 1_000_000;

/** Asks once, follows nothing, trusts what it was told to trust. */
export const httpRequest: Effects["request"] = async (request) => {
  const { method, url, headers, body, ca, timeoutSeconds } = request;
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  // No agent: a connection that is kept open would be a dead one at the next run.
  const options = {
    method,
    headers,
    signal,
    agent: false,
    ...(ca === undefined ? {} : { ca, minVersion: "TLSv1.3" as const }),
  };
  try {
    return await new Promise<HttpAnswer>((resolve, reject) => {
      const start = url.startsWith("https:") ? secureRequest : plainRequest;
      const outgoing = start(url, options, (incoming) => {
        take(incoming, request).then(resolve, reject);
      });
      outgoing.on("error", reject).end(body);
    });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw Object.assign(new Error(`no answer in ${String(timeoutSeconds)} s`), { code: undefined });
  }
};

async function take(incoming: IncomingMessage, { into }: HttpRequest): Promise<HttpAnswer> {
  const status = incoming.statusCode ?? 0;
  if (into !== undefined && status < 300) {
    await pipeline(incoming, createWriteStream(into, { flags: "wx", mode: 0o600, flush: true }));
    return { status, body: "" };
  }
  let body = "";
  for await (const chunk of incoming as AsyncIterable<Buffer>) body = (body + chunk.toString()).slice(0, BODY_LIMIT);
  return { status, body };
}
