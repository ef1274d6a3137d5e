import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { ObjectStore } from "./effects.ts";
import type { Bucket } from "./restore-objects.ts";

/** Where an S3 server is, and how to log in. */
export interface S3Login {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/**
 * Up to this size an object is in memory while it is sent: the client can then send it once more by itself, and says its
 * checksum ahead of it instead of behind it. Eight are sent at a time.
 */
const IN_MEMORY_BYTES = 8 * 2 ** 20;

/** A store that can be written to; listings are those of the job's own client. */
export function openBucket(objects: ObjectStore, { endpoint, region, ...credentials }: S3Login): Bucket {
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  return {
    list: (bucket) => objects.list(bucket),
    upload: async (bucket, key, path, bytes) => {
      const body = bytes <= IN_MEMORY_BYTES ? await readFile(path) : createReadStream(path);
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentLength: bytes }));
    },
  };
}
