import { createWriteStream, writeFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { ObjectStore } from "./effects.ts";
import { openSmallObjects, SMALL_BYTES } from "./small-objects.ts";

/** Where an S3 server is, and how to log in. */
export interface S3Login {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const CONNECT_MS = 5000;
/** Of silence, not in all. */
const ANSWER_MS = 60_000;

/** An S3 server, by path-style addresses and nothing that only some servers have. */
export function objectStore({ endpoint, region, ...credentials }: S3Login): ObjectStore {
  const client = new S3Client({
    endpoint,
    region,
    credentials,
    forcePathStyle: true,
    maxAttempts: 2,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: ANSWER_MS },
  });
  const readSmall = openSmallObjects(client, endpoint);
  return {
    async *list(bucket) {
      let token: string | undefined;
      do {
        const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }));
        for (const { Key: key = "", Size: bytes = 0, ETag: tag = "" } of page.Contents ?? []) yield { key, bytes, tag };
        token = page.NextContinuationToken;
      } while (token !== undefined);
    },
    async download(bucket, key, path, bytes = Infinity) {
      const small = bytes <= SMALL_BYTES ? await readSmall(bucket, key) : undefined;
      if (small !== undefined) {
        // To hand it to another thread takes as long as to write it.
        writeFileSync(path, small, { flag: "wx", mode: 0o600 });
        return true;
      }
      try {
        const { Body: body, ContentLength: length } = await client.send(
          new GetObjectCommand({ Bucket: bucket, Key: key }),
        );
        const file = createWriteStream(path, { flags: "wx", mode: 0o600 });
        await pipeline(body as Readable, file);
        // A connection that broke looks like the end of the object.
        if (length !== undefined && file.bytesWritten !== length) throw new Error(`${key}: cut off`);
        return true;
      } catch (error) {
        if ((error as Error).name === "NoSuchKey") return false;
        throw error;
      }
    },
    async put(bucket, key, text) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: text }));
    },
  };
}
