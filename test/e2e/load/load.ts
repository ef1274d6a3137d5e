import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { Agent } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { VerifyContext } from "../../cli/verify/context.ts";
import type { AppRoleCredentials } from "../../keys/derive.ts";
import { run } from "./rig.ts";

// Work put on a foundation by real clients, and what the same clients see of it later.

const REPOSITORIES = 12;
/** Every fourth repository has a large file. */
const LFS_EVERY = 4;
const OBJECTS = 60;
/** A key that is another text as a file name; those that are none at all, not every S3 server takes. */
const ODD_KEYS = ["load/a b+c%25/ü*"];
const NPM_VERSIONS = ["1.0.0", "1.1.0", "2.0.0"];
const IMAGES = 2;
const VAULT_ENTRIES = 20;

/** Work that was put on a foundation. */
export interface Load {
  readonly name: string;
  /** of the forge's API: in its database, so it has to go on being good */
  readonly token: string;
  /** digests by name of an image */
  readonly images: Readonly<Record<string, string>>;
  /** log in to Vault after a rebuild as before it */
  readonly roles: Readonly<Record<"pulumi" | "operator", AppRoleCredentials>>;
}

/** What a client saw, by what it looked at: equal to another one if nothing was lost and nothing changed. */
export type Seen = Readonly<Record<string, string>>;

/** Puts work on a foundation. */
export async function putLoad(context: VerifyContext, roles: Load["roles"]): Promise<Load> {
  const name = `load-${randomBytes(4).toString("hex")}`;
  const token = await issueToken(context, name);
  const load = { name, token, images: {}, roles };
  await inScratch(async (directory) => {
    for (let index = 0; index < REPOSITORIES; index++) await putRepository(context, load, directory, index);
    for (const version of NPM_VERSIONS) await publish(context, load, directory, version);
  });
  for (const [index, key] of keys().entries()) await putObject(context, key, randomBytes(500 + 37 * index));
  for (let index = 0; index < VAULT_ENTRIES; index++) {
    await asRole(context, roles.pulumi, "POST", `ci/${name}-${String(index)}`, { data: { value: randomId() } });
  }
  return { ...load, images: await putImages(context, load) };
}

/** Looks at everything with the clients that put it there. */
export async function lookAt(context: VerifyContext, load: Load): Promise<Seen> {
  const seen: Record<string, string> = {};
  await inScratch(async (directory) => {
    for (let index = 0; index < REPOSITORIES; index++) {
      const repository = `${load.name}-${String(index)}`;
      seen[`git ${repository}`] = await lookAtRepository(context, load, directory, repository);
      seen[`issue ${repository}`] = digest((await issueOf(context, load, repository)).toString());
    }
    for (const version of NPM_VERSIONS) seen[`npm ${version}`] = await install(context, load, directory, version);
  });
  for (const key of keys()) seen[`s3 ${key}`] = digest(await getObject(context, key));
  for (let index = 0; index < VAULT_ENTRIES; index++) {
    const path = `ci/${load.name}-${String(index)}`;
    seen[`vault ${path}`] = digest(await asRole(context, load.roles.operator, "GET", path));
  }
  for (const [image, id] of Object.entries(load.images)) seen[`image ${image}`] = await pull(image, id);
  seen["ssh host keys"] = await hostKeys(context);
  return seen;
}

const digest = (content: Buffer | string): string => createHash("sha256").update(content).digest("hex");
const randomId = (): string => randomBytes(16).toString("hex");
const keys = (): string[] => [
  ...Array.from({ length: OBJECTS }, (_, index) => `load/object-${String(index)}`),
  ...ODD_KEYS,
];

async function inScratch(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "load-"));
  await work(directory).finally(() => rm(directory, { recursive: true }));
}

async function must(argv: readonly string[], environment: Record<string, string> = {}, input = ""): Promise<string> {
  const { code, stdout, stderr } = await run(argv, { environment, input });
  if (code !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
  return stdout.trim();
}

// The forge

async function api(
  context: VerifyContext,
  token: string,
  method: string,
  path: string,
  body?: object,
): Promise<Buffer> {
  const headers = { authorization: `token ${token}` };
  const answer = await context.http(method, `https://${context.sites.git}/api/v1${path}`, {
    headers,
    ...(body && { body }),
  });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${String(answer.status)} ${answer.body.toString()}`);
  return answer.body;
}

async function issueToken(context: VerifyContext, name: string): Promise<string> {
  const { username, password } = context.forge;
  const headers = { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
  const scopes = ["write:organization", "write:package", "write:repository", "write:user", "write:issue"];
  const url = `https://${context.sites.git}/api/v1/users/${username}/tokens`;
  const answer = await context.http("POST", url, { headers, body: { name, scopes } });
  return (JSON.parse(answer.body.toString()) as { sha1: string }).sha1;
}

function gitEnvironment(directory: string): Record<string, string> {
  return {
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_SSL_CAINFO: join(directory, "ca.crt"),
    GIT_TERMINAL_PROMPT: "0",
    GIT_LFS_FORCE_PROGRESS: "0",
  };
}

/** A repository with branches, a tag, an issue, an Actions secret; some with a large file. */
async function putRepository(context: VerifyContext, load: Load, directory: string, index: number): Promise<void> {
  const { organisation } = context.forge;
  const name = `${load.name}-${String(index)}`;
  await writeFile(join(directory, "ca.crt"), context.ca ?? "");
  await api(context, load.token, "POST", `/orgs/${organisation}/repos`, { name, private: true });
  const path = join(directory, name);
  const environment = gitEnvironment(directory);
  const git = (...args: string[]) =>
    must(["git", "-C", path, "-c", "user.name=load", "-c", "user.email=load@example.org", ...args], environment);
  await mkdir(path);
  await git("init", "--quiet", "--initial-branch=main");
  if (index % LFS_EVERY === 0) {
    await git("lfs", "install", "--local");
    await writeFile(join(path, ".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    await writeFile(join(path, "large.bin"), randomBytes(1024 * 1024));
  }
  for (let commit = 0; commit < 3; commit++) {
    await writeFile(join(path, `file-${String(commit)}`), randomBytes(2000));
    await git("add", ".");
    await git("commit", "--quiet", "--message", `change ${String(commit)}`);
  }
  await git("tag", "--annotate", "--message", "first", "v1");
  await git("branch", "topic", "HEAD~1");
  await git("push", "--quiet", remoteOf(context, load, name), "main", "topic", "v1");
  const repository = `/repos/${organisation}/${name}`;
  await api(context, load.token, "POST", `${repository}/issues`, { title: `about ${name}`, body: randomId() });
  await api(context, load.token, "PUT", `${repository}/actions/secrets/DEPLOY_KEY`, { data: randomId() });
}

const remoteOf = ({ sites, forge }: VerifyContext, { token }: Load, name: string): string =>
  `https://load:${token}@${sites.git}/${forge.organisation}/${name}.git`;

async function issueOf(context: VerifyContext, load: Load, name: string): Promise<Buffer> {
  const body = await api(context, load.token, "GET", `/repos/${context.forge.organisation}/${name}/issues/1`);
  const { title, body: text, created_at: created } = JSON.parse(body.toString()) as Record<string, string>;
  return Buffer.from(JSON.stringify({ title, text, created }));
}

/** References and the content of every file of a fresh clone, which git itself has checked. */
async function lookAtRepository(context: VerifyContext, load: Load, directory: string, name: string): Promise<string> {
  await writeFile(join(directory, "ca.crt"), context.ca ?? "");
  const environment = gitEnvironment(directory);
  const path = join(directory, name);
  const remote = remoteOf(context, load, name);
  const refs = await must(["git", "ls-remote", remote], environment);
  const filters = ["clean", "smudge"].flatMap((way) => ["-c", `filter.lfs.${way}=git-lfs ${way} -- %f`]);
  await must(["git", ...filters, "-c", "transfer.fsckObjects=true", "clone", "--quiet", remote, path], environment);
  await must(["git", "-C", path, "fsck", "--full"], environment);
  const files = (await readdir(path)).filter((file) => file !== ".git").sort();
  const contents = await Promise.all(files.map(async (file) => `${file} ${digest(await readFile(join(path, file)))}`));
  return digest([refs, ...contents].join("\n"));
}

// The registries

async function npmEnvironment(context: VerifyContext, load: Load, directory: string): Promise<Record<string, string>> {
  const { sites, forge, ca } = context;
  const registry = `//${sites.git}/api/packages/${forge.organisation}/npm/`;
  const caFile = join(directory, "npm-ca.crt");
  await writeFile(caFile, ca ?? "");
  const userconfig = join(directory, ".npmrc");
  const lines = [
    `@${forge.organisation}:registry=https:${registry}`,
    `${registry}:_authToken=${load.token}`,
    `cafile=${caFile}`,
  ];
  await writeFile(userconfig, `${lines.join("\n")}\n`);
  const cache = join(directory, `npm-cache-${randomId()}`);
  // In the environment as well: what npm was started with for these tests would count more than the file.
  const config = { npm_config_userconfig: userconfig, npm_config_globalconfig: "/dev/null", npm_config_cafile: caFile };
  return { ...config, npm_config_cache: cache };
}

async function publish(context: VerifyContext, load: Load, directory: string, version: string): Promise<void> {
  const path = join(directory, `package-${version}`);
  await mkdir(path);
  const name = `@${context.forge.organisation}/${load.name}`;
  await writeFile(join(path, "package.json"), JSON.stringify({ name, version, main: "index.js" }));
  await writeFile(join(path, "index.js"), `module.exports = "${randomId()}";\n`);
  const environment = await npmEnvironment(context, load, directory);
  await must(["npm", "--prefix", path, "publish", path, "--loglevel=error"], environment);
}

async function install(context: VerifyContext, load: Load, directory: string, version: string): Promise<string> {
  const path = join(directory, `install-${version}`);
  await mkdir(path);
  await writeFile(join(path, "package.json"), "{}");
  const name = `@${context.forge.organisation}/${load.name}`;
  const environment = await npmEnvironment(context, load, directory);
  await must(
    ["npm", "--prefix", path, "install", `${name}@${version}`, "--no-audit", "--no-fund", "--loglevel=error"],
    environment,
  );
  return digest(await readFile(join(path, "node_modules", name, "index.js")));
}

/** @returns digests by name */
async function putImages({ sites, forge }: VerifyContext, load: Load): Promise<Record<string, string>> {
  const images: Record<string, string> = {};
  await must(["docker", "login", "--username", forge.username, "--password-stdin", sites.git], {}, load.token);
  await inScratch(async (directory) => {
    for (let index = 0; index < IMAGES; index++) {
      const image = `${sites.git}/${forge.organisation}/${load.name}-${String(index)}`;
      await writeFile(join(directory, "layer"), randomBytes(300_000));
      await must(["tar", "-C", directory, "-cf", join(directory, "layer.tar"), "layer"]);
      await must(["docker", "import", join(directory, "layer.tar"), `${image}:1`]);
      const pushed = await must(["docker", "push", `${image}:1`]);
      images[image] = /digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1] ?? "";
      await must(["docker", "image", "rm", "--force", `${image}:1`]);
    }
  });
  return images;
}

/** Docker itself compares the content with the digest. @returns the id of the image's configuration */
async function pull(image: string, id: string): Promise<string> {
  await must(["docker", "pull", "--quiet", `${image}@${id}`]);
  const found = await must(["docker", "image", "inspect", "--format", "{{.Id}}", `${image}@${id}`]);
  await must(["docker", "image", "rm", "--force", found]);
  return found;
}

// S3, Vault, identities

function s3Client({ sites, s3, ca }: VerifyContext): S3Client {
  return new S3Client({
    endpoint: `https://${sites.s3}`,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: s3.accessKey, secretAccessKey: s3.secretKey },
    requestHandler: { httpsAgent: new Agent({ ca }) },
  });
}

async function putObject(context: VerifyContext, key: string, content: Buffer): Promise<void> {
  await s3Client(context).send(new PutObjectCommand({ Bucket: "forgejo", Key: key, Body: content }));
}

async function getObject(context: VerifyContext, key: string): Promise<Buffer> {
  const { Body } = await s3Client(context).send(new GetObjectCommand({ Bucket: "forgejo", Key: key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

async function asRole(
  { http, sites }: VerifyContext,
  { roleId, secretId }: AppRoleCredentials,
  method: string,
  path: string,
  body?: object,
): Promise<string> {
  const address = `https://${sites.vault}/v1`;
  const login = await http("POST", `${address}/auth/approle/login`, { body: { role_id: roleId, secret_id: secretId } });
  const { auth } = JSON.parse(login.body.toString()) as { auth: { client_token: string } };
  const headers = { "x-vault-token": auth.client_token };
  const answer = await http(method, `${address}/foundation/data/${path}`, { headers, ...(body && { body }) });
  if (answer.status >= 300) throw new Error(`vault ${method} ${path}: ${String(answer.status)}`);
  const { data } = JSON.parse(answer.body.toString()) as { data: { data?: object } };
  return JSON.stringify(data.data);
}

async function hostKeys({ sites, forge }: VerifyContext): Promise<string> {
  const scanned = await must(["ssh-keyscan", "-p", String(forge.sshPort), "-t", "ed25519,ecdsa", sites.git]);
  return scanned
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .sort()
    .join("\n");
}
