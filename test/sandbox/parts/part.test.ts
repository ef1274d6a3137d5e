import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { IMAGES } from "../../../images.ts";
import { BINARIES } from "../../../sandbox/parts/binary.ts";
import { PARTS, RUSTFS, upstreamVersion } from "../../../sandbox/parts/part.ts";

const PARTS_DIRECTORY = join(import.meta.dirname, "..", "..", "..", "sandbox", "parts");
const files = (directory: string): string[] =>
  readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(directory, entry.name)] : [],
  );

test("there is exactly one part for every image of the program", () => {
  const replaced = PARTS.map(({ image }) => image);
  expect(replaced.sort()).toEqual(Object.keys(IMAGES).sort());
});

test("a part says what production runs in its place", () => {
  const table = PARTS.map(({ name, standsInFor }) => `${name}: ${standsInFor}`);
  expect(table).toContain("postgres: docker.io/library/postgres:18.6-trixie");
  expect(table).toContain("gitea: codeberg.org/forgejo/forgejo:15.0.9-rootless");
  expect(table).toContain("versitygw: docker.io/rustfs/rustfs:1.0.1");
});

test.each([...PARTS, RUSTFS])("$name: its Dockerfile copies what its binary holds", ({ name, from }) => {
  const dockerfile = readFileSync(join(PARTS_DIRECTORY, name, "Dockerfile"), "utf8");
  expect(dockerfile).toMatch(/^ARG BASE\nFROM \$\{BASE\}$/m);
  if ("package" in from) expect(dockerfile).toContain(from.package);
  else if ("program" in from) expect(dockerfile).toContain(`COPY bin/${from.program} `);
  else {
    const { source } = BINARIES[from.binary];
    const outputs = source.language === "go" ? source.outputs.map(({ path }) => path) : ["bin/rustfs"];
    for (const path of outputs) expect(dockerfile).toContain(`COPY ${path} `);
  }
});

// Images are used with uids that are not root, and the classic builder keeps the modes of the checkout.
test("scripts of the parts are executable and pass shellcheck", () => {
  const scripts = readdirSync(PARTS_DIRECTORY, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => files(join(PARTS_DIRECTORY, name)))
    .filter((file) => readFileSync(file, "utf8").startsWith("#!"));
  expect(scripts.length).toBeGreaterThan(8);
  for (const script of scripts) expect(statSync(script).mode & 0o111, script).toBe(0o111);
  const { status, stdout, error } = spawnSync("shellcheck", scripts, { encoding: "utf8" });
  if (!error) expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
});

test.each([
  ["18.6-3", "18.6"],
  ["2.11.4-1", "2.11.4"],
  ["1:2.8.3+ds1-3", "2.8.3"],
  ["0.19.1~rc1-1+b2", "0.19.1"],
])("Debian's version %s is upstream's %s", (debian, upstream) => {
  expect(upstreamVersion(debian)).toBe(upstream);
});
