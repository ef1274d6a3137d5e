import type { IncomingMessage } from "node:http";
import type { S3Client } from "@aws-sdk/client-s3";
import { percentEncode } from "./mirror-path.ts";

/** Up to here an object is held in memory, several at once. */
export const SMALL_BYTES = 1024 * 1024;

/**
 * Reads small objects with little beside the request itself: the client's signature and connections, and nothing of what
 * it does for each command, which takes longer than to fetch 100 kB (bench/backup.ts).
 *
 * @returns what reads an object, or gives undefined where anything is out of the ordinary: then the client is to be asked,
 *   which tries again and knows what the error is called
 */
export function openSmallObjects(client: S3Client, endpoint: string) {
  const { protocol, hostname, port, host } = new URL(endpoint);
  const server = { protocol, hostname, ...(port === "" ? {} : { port: Number(port) }) };
  // The credentials stay as they are, and the client makes a new signer each time that it is asked for one.
  let signer: ReturnType<typeof client.config.signer> | undefined;
  return async (bucket: string, key: string): Promise<Buffer | undefined> => {
    const path = `/${bucket}/${key.split("/").map(percentEncode).join("/")}`;
    const headers = { host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD" };
    try {
      signer ??= client.config.signer();
      const request = await (await signer).sign({ method: "GET", ...server, path, headers, query: {} });
      const { response } = (await client.config.requestHandler.handle(request)) as { response: Answer };
      const chunks: Buffer[] = [];
      for await (const chunk of response.body) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      const isWhole = response.statusCode === 200 && response.headers["content-length"] === String(body.length);
      return isWhole ? body : undefined;
    } catch {
      return undefined;
    }
  };
}

interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: IncomingMessage;
}
