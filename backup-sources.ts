import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where the backup job's program is, relative to the project. */
export const JOB_ENTRY = "backup/main.ts";
export const JOB_DOCKERFILE = "backup/Dockerfile";

/** Modules outside of backup/ that the job is built from; a test compares them with what the bundler reads. */
const SHARED = ["errors.ts", "unseal-helper/snapshot-archive.ts", "unseal-helper/tar-reader.ts", "package-lock.json"];

/** Everything that decides what is in the job's image, besides the images it is built from: paths, sorted. */
export function jobSources(): string[] {
  const own = readdirSync(new URL("./backup/", import.meta.url)).map((name) => `backup/${name}`);
  return [...own, ...SHARED].sort();
}

/** SHA-256 over {@link jobSources}, hex. A preview knows it, so an image's name says what is in it before it is built. */
export function jobSourcesHash(): string {
  const hash = createHash("sha256");
  for (const path of jobSources()) {
    const content = readFileSync(fileURLToPath(new URL(path, import.meta.url)));
    hash.update(`${path}\0${String(content.length)}\0`).update(content);
  }
  return hash.digest("hex");
}
