import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createExec } from "../../sandbox/exec.ts";
import { findPaths } from "../../sandbox/paths.ts";
import { Progress } from "../../sandbox/progress.ts";
import type { Rig } from "../../sandbox/rig.ts";

/** A rig with directories of its own that runs real programs and keeps what it says to itself. */
export function testRig(environment: Record<string, string> = {}, uid = 0): Rig & { readonly printed: string[] } {
  const home = mkdtempSync(join(tmpdir(), "rig-"));
  const all = { PATH: process.env["PATH"] ?? "", HOME: home, ...environment };
  const printed: string[] = [];
  return {
    exec: createExec(all, new AbortController().signal),
    progress: new Progress(() => undefined),
    paths: findPaths(all, join(import.meta.dirname, "..", "..")),
    environment: all,
    uid,
    node: process.execPath,
    print: (text) => printed.push(text),
    exitWith: () => undefined,
    printed,
  };
}
