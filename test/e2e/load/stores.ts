import { createHash, randomBytes } from "node:crypto";
import { Agent } from "node:https";
import { GetObjectCommand, paginateListObjectsV2, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { inParallel } from "../../../backup/parallel.ts";
import type { VerifyContext } from "../../../cli/verify/context.ts";
import type { AppRoleCredentials } from "../../../keys/derive.ts";
import { must } from "../rig.ts";
import type { Owner, Seen } from "./load.ts";

const BUCKET = "forgejo";
const OBJECTS = 1000;
/** A key that is another text as a file name; those that are none at all, not every S3 server takes. */
const ODD_KEY = "load/a b+c%25/ü*";
const EMPTY_KEY = "load/empty";
const LARGE_KEY = "load/large";
const LARGE_BYTES = 20 * 1024 * 1024;
const VAULT_ENTRIES = 20;

/** A client of the foundation's S3 by the AWS SDK, as everybody outside of the VM has one. */
export function s3Client({ sites, s3, ca }: VerifyContext): S3Client {
  return new S3Client({
    endpoint: `https://${sites.s3}`,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: s3.accessKey, secretAccessKey: s3.secretKey },
    requestHandler: { httpsAgent: new Agent({ ca, keepAlive: true }) },
  });
}

/** Objects of many sizes. */
export async function putObjects(context: VerifyContext): Promise<Seen> {
  const client = s3Client(context);
  const seen: Record<string, string> = {};
  const objects: [string, number][] = Array.from({ length: OBJECTS }, (_, index) => [
    `load/${String(index % 7)}/object-${String(index)}`,
    500 + 37 * index,
  ]);
  objects.push([ODD_KEY, 1], [EMPTY_KEY, 0], [LARGE_KEY, LARGE_BYTES]);
  await inParallel(objects, async ([key, bytes]) => {
    const content = randomBytes(bytes);
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: content }));
    seen[`s3 ${key}`] = sha256(content);
  });
  return seen;
}

/** Every object that a listing shows. */
export async function lookAtObjects(context: VerifyContext): Promise<Seen> {
  const client = s3Client(context);
  const keys: string[] = [];
  for await (const { Contents: page = [] } of paginateListObjectsV2({ client }, { Bucket: BUCKET, Prefix: "load/" }))
    keys.push(...page.map(({ Key: key = "" }) => key));
  const seen: Record<string, string> = {};
  await inParallel(keys, async (key) => {
    const { Body: body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
    seen[`s3 ${key}`] = sha256((await body?.transformToByteArray()) ?? new Uint8Array());
  });
  return seen;
}

/** Entries of Vault's key-value store, written by the role that deploys. */
export async function putVault(context: VerifyContext, { name, roles }: Owner): Promise<Seen> {
  const vault = await logIn(context, roles.pulumi);
  const seen: Record<string, string> = {};
  for (const path of entries(name)) {
    const value = { value: randomBytes(16).toString("hex") };
    await vault("POST", path, { data: value });
    seen[`vault ${path}`] = JSON.stringify(value);
  }
  return seen;
}

/** The same entries, read by the role of a person. */
export async function lookAtVault(context: VerifyContext, { name, roles }: Owner): Promise<Seen> {
  const vault = await logIn(context, roles.operator);
  const seen: Record<string, string> = {};
  for (const path of entries(name)) seen[`vault ${path}`] = await vault("GET", path);
  return seen;
}

const entries = (name: string): string[] =>
  Array.from({ length: VAULT_ENTRIES }, (_, index) => `ci/${name}-${String(index)}`);

async function logIn({ http, sites }: VerifyContext, { roleId, secretId }: AppRoleCredentials) {
  const address = `https://${sites.vault}/v1`;
  const login = await http("POST", `${address}/auth/approle/login`, { body: { role_id: roleId, secret_id: secretId } });
  const { auth } = JSON.parse(login.body.toString()) as { auth: { client_token: string } };
  const headers = { "x-vault-token": auth.client_token };
  return async (method: string, path: string, body?: object): Promise<string> => {
    const answer = await http(method, `${address}/foundation/data/${path}`, { headers, ...(body && { body }) });
    if (answer.status >= 300) throw new Error(`vault ${method} ${path}: ${String(answer.status)}`);
    const { data } = JSON.parse(answer.body.toString()) as { data: { data?: object } };
    return JSON.stringify(data.data);
  };
}

/** The forge's SSH host keys, as a client that knows none of them is told. */
export async function hostKeys({ sites, forge }: VerifyContext): Promise<string> {
  const scanned = await must(["ssh-keyscan", "-p", String(forge.sshPort), "-t", "ed25519,ecdsa", sites.git]);
  return scanned
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .sort()
    .join("\n");
}

const sha256 = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");
