import { createReadStream } from "node:fs";
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

/** A store that can be written to; listings are those of the job's own client. */
export function openBucket(objects: ObjectStore, { endpoint, region, ...credentials }: S3Login): Bucket {
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  return {
    list: (bucket) => objects.list(bucket),
    upload: async (bucket, key, path, bytes) => {
      // Given the length, the body is streamed instead of kept in memory.
      const body = { Body: createReadStream(path), ContentLength: bytes };
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, ...body }));
    },
  };
}
