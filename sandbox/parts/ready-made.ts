import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { dirname, join } from "node:path";
import { EXIT, UserError } from "../../errors.ts";
import type { Rig } from "../rig.ts";
import { makeScratch } from "../scratch.ts";

/** Expected checksum of an archive in a folder of ready-made parts, `undefined` if the folder does not have it. */
export function findChecksum(directory: string, archive: string): string | undefined {
  if (!existsSync(join(directory, archive))) return undefined;
  const sums = join(directory, "SHA256SUMS");
  const checksum = existsSync(sums) ? parseChecksums(readFileSync(sums, "utf8")).get(archive) : undefined;
  if (checksum === undefined) {
    throw new UserError(
      `${sums}: no checksum for ${archive}`,
      `sha256sum ${archive} >>SHA256SUMS, if you trust that archive`,
      EXIT.refused,
    );
  }
  return checksum;
}

/** Reads the output of `sha256sum`: file name to hex digest. */
export function parseChecksums(text: string): Map<string, string> {
  const lines = text.split("\n").map((line) => /^([0-9a-f]{64}) [ *](.+)$/.exec(line));
  return new Map(lines.flatMap((match) => (match?.[1] && match[2] ? [[match[2], match[1]] as const] : [])));
}

/** Verifies and unpacks an archive into a directory that does not exist yet. */
export async function unpack(rig: Rig, archive: string, checksum: string, target: string): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(archive), hash);
  if (hash.digest("hex") !== checksum) {
    throw new UserError(`${archive}: checksum differs from SHA256SUMS`, "fetch the archive again", EXIT.refused);
  }
  const unfinished = makeScratch(rig.paths);
  mkdirSync(dirname(target), { recursive: true });
  await rig.exec(["tar", "--extract", "--no-same-owner", "--file", archive, "--directory", unfinished]);
  renameSync(unfinished, target);
}
