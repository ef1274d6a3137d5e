import type { S3Client } from "@aws-sdk/client-s3";
import { randomBytes } from "node:crypto";
import { Agent } from "node:https";
import { UserError } from "../../../errors.ts";
import type { Scratch } from "../../scratch.ts";
import type { Check } from "../check.ts";
import type { VerifyContext } from "../context.ts";

/** The smallest size that S3 allows for a part that is not the last. */
const PART_BYTES = 5 * 1024 * 1024;

/** A bucket, a small object, a large one in parts, a listing, and an anonymous request that has to fail. */
export const objectStore: Check = {
  name: "s3",
  title: "S3",
  async run(context, scratch) {
    // loaded here: a quarter of a second that no other command has to wait for
    const aws = await import("@aws-sdk/client-s3");
    const client = connect(aws, context);
    const bucket = { Bucket: scratch.id };
    scratch.defer(() => empty(aws, client, scratch));
    await client.send(new aws.CreateBucketCommand(bucket));

    const small = randomBytes(1000);
    await client.send(new aws.PutObjectCommand({ ...bucket, Key: "small object", Body: small }));
    await expectContent(aws, client, scratch, "small object", small);

    const parts = [randomBytes(PART_BYTES), randomBytes(PART_BYTES / 5)];
    await uploadInParts(aws, client, scratch, "large", parts);
    await expectContent(aws, client, scratch, "large", Buffer.concat(parts));

    const { Contents = [] } = await client.send(new aws.ListObjectsV2Command(bucket));
    const listed = Contents.map(({ Key, Size }) => `${Key} ${Size}`).sort();
    const expected = [`large ${PART_BYTES * 1.2}`, "small object 1000"];
    if (listed.join() !== expected.join()) throw wrong(`listing: ${listed.join(", ") || "empty"}`);

    const anonymous = await context.http("GET", `https://${context.sites.s3}/${scratch.id}/large`);
    if (anonymous.status !== 403) throw wrong(`a request without a signature gets HTTP ${anonymous.status}, not 403`);
    return "put, get, multipart of 6 MiB in 2 parts, list, delete; refused without a signature";
  },
};

type Aws = typeof import("@aws-sdk/client-s3");

function connect(aws: Aws, { sites, s3, ca }: VerifyContext): S3Client {
  return new aws.S3Client({
    endpoint: `https://${sites.s3}`,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: s3.accessKey, secretAccessKey: s3.secretKey },
    requestHandler: {
      httpsAgent: new Agent({ ca, keepAlive: true }),
      requestTimeout: 60_000,
      connectionTimeout: 10_000,
    },
    maxAttempts: 2,
  });
}

async function uploadInParts(
  aws: Aws,
  client: S3Client,
  scratch: Scratch,
  key: string,
  parts: readonly Buffer[],
): Promise<void> {
  const target = { Bucket: scratch.id, Key: key };
  const { UploadId } = await client.send(new aws.CreateMultipartUploadCommand(target));
  const upload = { ...target, UploadId };
  const sent = await Promise.all(
    parts.map(async (Body, index) => {
      const PartNumber = index + 1;
      const { ETag } = await client.send(new aws.UploadPartCommand({ ...upload, PartNumber, Body }));
      return { ETag, PartNumber };
    }),
  );
  await client.send(new aws.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: sent } }));
}

async function expectContent(
  aws: Aws,
  client: S3Client,
  scratch: Scratch,
  key: string,
  content: Buffer,
): Promise<void> {
  const { Body } = await client.send(new aws.GetObjectCommand({ Bucket: scratch.id, Key: key }));
  const bytes = await Body?.transformToByteArray();
  if (bytes === undefined || !content.equals(bytes)) throw wrong(`${key}: got back something else than was put`);
}

/** Removes the bucket with all that is in it, unfinished uploads included. */
async function empty(aws: Aws, client: S3Client, { id }: Scratch): Promise<void> {
  const bucket = { Bucket: id };
  try {
    const { Uploads = [] } = await client.send(new aws.ListMultipartUploadsCommand(bucket));
    for (const { Key, UploadId } of Uploads) {
      await client.send(new aws.AbortMultipartUploadCommand({ ...bucket, Key, UploadId }));
    }
    const { Contents = [] } = await client.send(new aws.ListObjectsV2Command(bucket));
    for (const { Key } of Contents) await client.send(new aws.DeleteObjectCommand({ ...bucket, Key }));
    await client.send(new aws.DeleteBucketCommand(bucket));
  } catch (error) {
    if ((error as Error).name !== "NoSuchBucket") throw error;
  } finally {
    client.destroy();
  }
}

function wrong(what: string): UserError {
  return new UserError(`S3: ${what}`, "look at its log: docker logs --tail 50 rustfs on the VM");
}
