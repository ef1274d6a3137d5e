import { createHash, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../../errors.ts";
import { ProgramMissing } from "../../exec.ts";
import type { HttpResponse } from "../../http.ts";
import type { Scratch } from "../../scratch.ts";
import type { Check } from "../check.ts";
import type { VerifyContext } from "../context.ts";
import type { Forge, Repository } from "../forge.ts";
import { commitRandomFile, gitWith, httpsLogin, sshLogin } from "../git.ts";

const FILE_BYTES = 2 * 1024 * 1024;

/** A large file pushed over HTTPS and fetched over SSH by git-lfs; without git-lfs, by its protocol. */
export const largeFiles: Check = {
  name: "lfs",
  title: "git LFS",
  async run(context, scratch, forge) {
    const repository = await forge.createRepository(scratch);
    return (await hasGitLfs(context))
      ? byGitLfs(context, scratch, forge, repository)
      : byProtocol(context, forge, repository);
  },
};

async function hasGitLfs(context: VerifyContext): Promise<boolean> {
  try {
    return (await context.run("git-lfs", ["version"])).exitCode === 0;
  } catch (error) {
    if (error instanceof ProgramMissing) return false;
    throw error;
  }
}

async function byGitLfs(
  context: VerifyContext,
  scratch: Scratch,
  forge: Forge,
  { httpsUrl, sshUrl }: Repository,
): Promise<string> {
  const overHttps = await httpsLogin(context, scratch, forge);
  const git = gitWith(context, overHttps);
  const { directory, content } = await commitRandomFile(git, scratch, {
    name: "large.bin",
    bytes: FILE_BYTES,
    prepare: async (path) => {
      await git("git lfs install", path, "lfs", "install", "--local");
      await writeFile(join(path, ".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    },
  });
  const stored = await git("git cat-file", directory, "cat-file", "blob", "HEAD:large.bin");
  if (!stored.startsWith("version https://git-lfs")) throw new UserError("git-lfs stored no pointer", "git lfs env");
  await git("git lfs push", directory, "push", "--quiet", httpsUrl, "main");

  // the download is still HTTPS, with a short-lived login that the forge hands out over SSH
  const viaSsh = gitWith(context, { ...overHttps, ...(await sshLogin(context, scratch, forge)) });
  const filters = ["clean", "smudge"].flatMap((way) => ["-c", `filter.lfs.${way}=git-lfs ${way} -- %f`]);
  await viaSsh("git lfs clone", scratch.directory, ...filters, "clone", "--quiet", sshUrl, "clone");
  const fetched = await readFile(join(scratch.directory, "clone", "large.bin"));
  if (!fetched.equals(content)) throw new UserError("the file fetched is not the file pushed", "look at the S3 store");
  return "2 MiB pushed by git-lfs over HTTPS, fetched over SSH, content equal";
}

/** The LFS batch API, as https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md defines it. */
async function byProtocol(context: VerifyContext, forge: Forge, { httpsUrl }: Repository): Promise<string> {
  const content = randomBytes(FILE_BYTES);
  const object = { oid: createHash("sha256").update(content).digest("hex"), size: content.length };
  const batch = await batchApi(context, forge, httpsUrl);
  const upload = await batch("upload", object);
  if (upload.upload) {
    const { href, header } = upload.upload;
    const headers = { "content-type": "application/octet-stream", ...header };
    requireSuccess("upload", await context.http("PUT", href, { headers, body: content }));
  }
  if (upload.verify) {
    const { href, header } = upload.verify;
    requireSuccess("verify", await context.http("POST", href, { headers: { ...MEDIA_TYPE, ...header }, body: object }));
  }
  const { download } = await batch("download", object);
  if (!download) throw new UserError("LFS: the uploaded object cannot be downloaded", "look at the S3 store");
  const fetched = await context.http("GET", download.href, { headers: { ...download.header } });
  requireSuccess("download", fetched);
  if (!fetched.body.equals(content))
    throw new UserError("the object fetched is not the one sent", "look at the S3 store");
  return "2 MiB uploaded and downloaded through the LFS API (git-lfs is not installed here), content equal";
}

const MEDIA_TYPE = { accept: "application/vnd.git-lfs+json", "content-type": "application/vnd.git-lfs+json" };

type Actions = Partial<
  Record<"upload" | "verify" | "download", { readonly href: string; readonly header?: Record<string, string> }>
>;

async function batchApi(context: VerifyContext, forge: Forge, url: string) {
  const login = Buffer.from(`${context.forge.username}:${await forge.token()}`).toString("base64");
  return async (operation: string, object: object): Promise<Actions> => {
    const response = await context.http("POST", `${url}/info/lfs/objects/batch`, {
      headers: { ...MEDIA_TYPE, authorization: `Basic ${login}` },
      body: { operation, transfers: ["basic"], objects: [object] },
    });
    requireSuccess(operation, response);
    const { objects } = JSON.parse(response.body.toString()) as { objects: { actions?: Actions }[] };
    return objects[0]?.actions ?? {};
  };
}

function requireSuccess(what: string, { status }: HttpResponse): void {
  if (status >= 300) throw new UserError(`LFS ${what}: HTTP ${status}`, "look at the forge's log");
}
