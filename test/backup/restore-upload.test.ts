import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openBucket } from "../../backup/restore-upload.ts";

interface Put {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const directory = mkdtempSync(join(tmpdir(), "foundation-upload-"));
const path = join(directory, "object");
const puts: Put[] = [];
/** status of each answer, then 200 */
let statuses: number[] = [];
let server: Server;
let upload: (key: string, bytes: number) => Promise<void>;
beforeAll(async () => {
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      puts.push({ url: request.url ?? "", headers: request.headers, body });
      response.writeHead(statuses.shift() ?? 200).end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const listing = { list: () => Promise.reject(new Error()), download: () => Promise.reject(new Error()) };
  const objects = { ...listing, put: () => Promise.reject(new Error()) } as unknown as Parameters<typeof openBucket>[0];
  const bucket = openBucket(objects, { endpoint, region: "us-east-1", accessKeyId: "a", secretAccessKey: "b" });
  upload = (key, bytes) => bucket.upload("forgejo", key, path, bytes);
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

it("an object is sent as it is, its checksum ahead of it, and once more where the server has failed", async () => {
  writeFileSync(path, "content");
  statuses = [503];
  await upload("a/b", 7);
  expect(puts.map(({ url, body }) => [url, body])).toEqual(Array(2).fill(["/forgejo/a/b?x-id=PutObject", "content"]));
  // CRC-32 of "content", base64.
  expect(puts[1]?.headers).toMatchObject({ "content-length": "7", "x-amz-checksum-crc32": "/sUwqQ==" });
  expect(puts[1]?.headers["content-encoding"]).toBeUndefined();
});
