import http, { type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import https from "node:https";
import type { S3Client } from "@aws-sdk/client-s3";
import { percentEncode } from "./mirror-path.ts";

/** Up to here an object is held in memory, several at once. */
export const SMALL_BYTES = 1024 * 1024;

/** Of silence, not in all. */
const ANSWER_MS = 60_000;

/**
 * Reads small objects with little beside the request itself: signed by the client's signer, and nothing of what the client
 * does for each command, which takes longer than to fetch 100 kB (bench/backup.ts).
 *
 * @returns what reads an object, or gives undefined where anything is out of the ordinary: then the client is to be asked,
 *   which tries again and knows what the error is called
 */
export function openSmallObjects(client: S3Client, endpoint: string) {
  const { protocol, hostname, port, host } = new URL(endpoint);
  const server = { protocol, hostname, ...(port === "" ? {} : { port: Number(port) }) };
  const { get, Agent } = protocol === "https:" ? https : http;
  const agent = new Agent({ keepAlive: true });
  const read = (path: string, headers: OutgoingHttpHeaders): Promise<Buffer | undefined> =>
    new Promise((resolve) => {
      const request = get({ ...server, path, headers, agent, timeout: ANSWER_MS }, (response) => {
        const chunks: Buffer[] = [];
        // After an error comes the end as well, and then something is missing.
        response.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
        response.on("close", () => resolve(wholeBody(response, Buffer.concat(chunks))));
      });
      request.on("timeout", () => request.destroy()).on("error", () => resolve(undefined));
    });
  // The credentials stay as they are, and the client makes a new signer each time that it is asked for one.
  let signer: ReturnType<typeof client.config.signer> | undefined;
  return async (bucket: string, key: string): Promise<Buffer | undefined> => {
    const path = `/${bucket}/${key.split("/").map(percentEncode).join("/")}`;
    const unsigned = { host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD" };
    signer ??= client.config.signer();
    const { headers } = await (await signer).sign({ method: "GET", ...server, path, headers: unsigned, query: {} });
    return read(path, headers);
  };
}

function wholeBody({ statusCode, headers }: IncomingMessage, body: Buffer): Buffer | undefined {
  return statusCode === 200 && headers["content-length"] === String(body.length) ? body : undefined;
}
