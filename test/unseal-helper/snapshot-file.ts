import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const STATE = Buffer.alloc(300_000, "state");

export const sha256 = (content: string | Buffer): string => createHash("sha256").update(content).digest("hex");

const SUMS = `${sha256("{}")}  meta.json\n${sha256(STATE)}  state.bin\n`;

/** Writes a snapshot as Vault packs it, with changes; `undefined` leaves a part out. */
export function packSnapshot(path: string, change: Record<string, string | Buffer | undefined> = {}): void {
  const directory = mkdtempSync(join(tmpdir(), "snapshot-"));
  const files = { "meta.json": "{}", "state.bin": STATE, SHA256SUMS: SUMS, "SHA256SUMS.sealed": "x", ...change };
  const present = Object.entries(files).filter(([, content]) => content !== undefined);
  for (const [name, content] of present) writeFileSync(join(directory, name), content ?? "");
  execFileSync("tar", ["-czf", path, "--format=ustar", "-C", directory, ...present.map(([name]) => name)]);
  rmSync(directory, { recursive: true });
}
