import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { node24Environment, outOfSync } from "../setup.mjs";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "foundation-setup-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function write(path: string, packages: unknown): void {
  mkdirSync(join(directory, "node_modules"), { recursive: true });
  writeFileSync(join(directory, path), JSON.stringify({ packages }));
}

const lockfile = {
  "": { version: "0.1.0" },
  "node_modules/zod": { version: "4.6.7" },
  "node_modules/fsevents": { version: "2.3.3", optional: true },
};

describe("outOfSync", () => {
  test.each([
    ["nothing installed", undefined, "node_modules is missing or incomplete"],
    [
      "installed as locked, other platform's packages left out",
      { "node_modules/zod": { version: "4.6.7" } },
      undefined,
    ],
    ["a package is missing", {}, "node_modules/zod is missing"],
    [
      "another version",
      { "node_modules/zod": { version: "4.0.0" } },
      "node_modules/zod is 4.0.0, the lockfile says 4.6.7",
    ],
    [
      "an extra package of the developer's own",
      { "node_modules/zod": { version: "4.6.7" }, "node_modules/left-pad": { version: "1.3.0" } },
      undefined,
    ],
  ])("%s", (_title, installed, expected) => {
    write("package-lock.json", lockfile);
    if (installed !== undefined) write("node_modules/.package-lock.json", installed);
    expect(outOfSync(directory)).toBe(expected);
  });
});

/** Runs ensureDependencies in a process of its own, because npm writes to the terminal. */
function ensure(): { ok: boolean; lines: string[] } {
  const script = `import { ensureDependencies } from ${JSON.stringify(new URL("../setup.mjs", import.meta.url).href)};
    console.log(await ensureDependencies({ directory: ${JSON.stringify(directory)} }));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    encoding: "utf8",
  });
  return { ok: stdout === "true\n", lines: stderr.split("\n").filter((line) => /^(setup|error|hint):/.test(line)) };
}

describe("ensureDependencies", () => {
  test("installs with npm, then finds nothing more to do", () => {
    // npm keeps no lockfile of its own for a project without packages: one local package makes it real
    mkdirSync(join(directory, "part"));
    writeFileSync(join(directory, "part", "package.json"), JSON.stringify({ name: "part", version: "1.0.0" }));
    writeFileSync(
      join(directory, "package.json"),
      JSON.stringify({ name: "project", version: "1.0.0", dependencies: { part: "file:part" } }),
    );
    execFileSync("npm", ["install", "--package-lock-only", "--no-audit", "--no-fund", "--silent"], { cwd: directory });

    const first = ensure();
    expect(first.ok).toBe(true);
    expect(first.lines[0]).toBe(
      "setup: node_modules is missing or incomplete; installing dependencies (npm ci, about a minute)",
    );
    expect(first.lines[1]).toMatch(/^setup: dependencies installed in \d+ s$/);
    expect(ensure()).toEqual({ ok: true, lines: [] });
  });

  test("says what to do when npm fails", () => {
    write("package-lock.json", lockfile);
    rmSync(join(directory, "node_modules"), { recursive: true });
    expect(ensure()).toEqual({
      ok: false,
      lines: [
        "setup: node_modules is missing or incomplete; installing dependencies (npm ci, about a minute)",
        "error: setup: npm ci failed with exit code 1",
        "hint: see npm's message above; npm and a way to its registry are all that is needed, then run the command again",
      ],
    });
  });
});

test("Node 24 keeps its compile cache where the user's caches are", () => {
  expect(node24Environment({ XDG_CACHE_HOME: "/c", HOME: "/h" })).toEqual({
    XDG_CACHE_HOME: "/c",
    HOME: "/h",
    NODE_COMPILE_CACHE: "/c/foundation/node-compile-cache",
  });
});
