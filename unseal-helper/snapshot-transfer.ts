import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import type { Agent, IncomingMessage, RequestOptions } from "node:http";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { UserError } from "../errors.ts";
import { VaultUnavailable } from "./effects.ts";
import { httpRequest } from "./http.ts";

/** Vault may be silent while it writes a snapshot of many gigabytes, but not for so long. */
const SILENCE_SECONDS = 300;
const ERROR_LIMIT = 2000;
/** What is the fault of this machine and not of the connection. */
const DISK_ERRORS = ["ENOSPC", "EDQUOT", "EIO", "EFBIG", "EROFS", "EACCES", "ENOENT", "ENOTDIR", "EEXIST"];

/** Moves snapshots between a file here and Vault. */
export interface SnapshotTransfer {
  /** writes a new file, durable when it returns */
  download(token: string, path: string): Promise<void>;
  /** replaces everything in Vault */
  upload(token: string, path: string): Promise<void>;
}

/** @param agent as for the other requests */
export function snapshotTransfer(agent: Agent): SnapshotTransfer {
  const options = { agent, host: "127.0.0.1", port: 8200 };
  return {
    download: async (token, path) => {
      const request = { ...options, method: "GET", path: "/v1/sys/storage/raft/snapshot", headers: headers(token) };
      await exchange(request, undefined, async (answer) => {
        await save(answer, path).catch((error: unknown) => {
          const { code = "" } = error as NodeJS.ErrnoException;
          if (!DISK_ERRORS.includes(code)) throw error;
          throw new UserError(
            `${path}: cannot be written (${code})`,
            `df -h ${dirname(path)}; ls -ld ${dirname(path)}`,
          );
        });
      });
    },
    upload: async (token, path) => {
      const { size } = await stat(path);
      const request = {
        ...options,
        method: "POST",
        path: "/v1/sys/storage/raft/snapshot-force",
        headers: { ...headers(token), "Content-Length": size },
      };
      await exchange(request, path, async (answer) => {
        for await (const _chunk of answer);
      });
    },
  };
}

async function save(answer: IncomingMessage, path: string): Promise<void> {
  // O_EXCL: a snapshot never replaces another one.
  const file = await open(path, "wx", 0o600);
  try {
    await pipeline(answer, file.createWriteStream({ flush: true }));
  } finally {
    await file.close().catch(() => undefined);
  }
}

function headers(token: string): Record<string, string> {
  return { "X-Vault-Request": "true", "X-Vault-Token": token };
}

async function exchange(
  options: RequestOptions,
  body: string | undefined,
  take: (answer: IncomingMessage) => Promise<void>,
): Promise<void> {
  const outgoing = httpRequest(options);
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on("response", resolve);
    outgoing.on("error", reject);
  });
  const watch = setTimeout(() => outgoing.destroy(new VaultUnavailable("no answer")), SILENCE_SECONDS * 1000);
  try {
    const sent = body === undefined ? Promise.resolve(outgoing.end()) : pipeline(createReadStream(body), outgoing);
    const [answer] = await Promise.all([answered, sent]);
    if ((answer.statusCode ?? 0) >= 300) throw await refused(options.path ?? "", answer);
    await take(answer);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new VaultUnavailable(`${options.path}: ${code ?? message}`);
  } finally {
    clearTimeout(watch);
  }
}

async function refused(path: string, answer: IncomingMessage): Promise<UserError> {
  let text = "";
  for await (const chunk of answer as AsyncIterable<Buffer>) text = (text + chunk.toString()).slice(0, ERROR_LIMIT);
  const [, first = ""] = /"errors":\["([^"]*)/.exec(text) ?? [];
  return new UserError(
    `vault: ${path.replace("/v1/", "")}: answered ${answer.statusCode}${first && `: ${first.trim().slice(0, 200)}`}`,
    "docker logs --tail 50 vault (on the VM)",
  );
}
