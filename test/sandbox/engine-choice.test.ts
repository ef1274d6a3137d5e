import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { chooseEngine, withoutDependencies } from "../../sandbox/engine-choice.ts";
import { sandboxFiles } from "../../sandbox/files.ts";
import { testRig } from "./test-rig.ts";

const ALL = ["command", "docker", "random", "tls", "vault"];

/** A folder with a `pulumi` that has these plugins. */
function pulumiWith(plugins: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "pulumi-"));
  const program = join(folder, "pulumi");
  const list = JSON.stringify(plugins.map((name) => ({ name })));
  writeFileSync(program, `#!/bin/sh\nif [ "$1" = version ]; then echo v3.270.0; else echo '${list}'; fi\n`);
  chmodSync(program, 0o755);
  return folder;
}

const path = (...folders: string[]) => [...folders, "/usr/bin", "/bin"].join(":");

test("an installed CLI with all plugins deploys", async () => {
  const folder = pulumiWith(ALL);
  expect(await chooseEngine(testRig({ PATH: path(folder) }))).toEqual({
    kind: "pulumi",
    program: join(folder, "pulumi"),
    version: "v3.270.0",
  });
});

test("a CLI that lacks a plugin does not, and neither does none", async () => {
  expect(await chooseEngine(testRig({ PATH: path(pulumiWith(ALL.slice(1))) }))).toEqual({ kind: "embedded" });
  expect(await chooseEngine(testRig({ PATH: path() }))).toEqual({ kind: "embedded" });
});

test("FOUNDATION_ENGINE decides", async () => {
  const folder = pulumiWith(ALL);
  const embedded = testRig({ PATH: path(folder), FOUNDATION_ENGINE: "embedded" });
  expect(await chooseEngine(embedded)).toEqual({ kind: "embedded" });
  const pulumi = testRig({ PATH: path(pulumiWith([])), FOUNDATION_ENGINE: "pulumi" });
  expect(await chooseEngine(pulumi)).toMatchObject({ kind: "pulumi", version: "v3.270.0" });
  await expect(chooseEngine(testRig({ FOUNDATION_ENGINE: "terraform" }))).rejects.toMatchObject({
    message: "FOUNDATION_ENGINE: neither embedded nor pulumi: terraform",
    exitCode: 64,
  });
});

test("a sandbox stays with the engine that it was begun with", async () => {
  const rig = testRig({ PATH: path(pulumiWith(ALL)) });
  mkdirSync(rig.paths.sandbox, { recursive: true });
  writeFileSync(sandboxFiles(rig.paths).state, "{}");
  expect(await chooseEngine(rig)).toEqual({ kind: "embedded" });
  const asked = { ...rig, environment: { ...rig.environment, FOUNDATION_ENGINE: "pulumi" } };
  await expect(chooseEngine(asked)).rejects.toMatchObject({
    message: "FOUNDATION_ENGINE: pulumi, but this sandbox was deployed by embedded",
    exitCode: 8,
  });
});

test("a pulumi among the dependencies is not an installed one", () => {
  expect(withoutDependencies("/src/node_modules/.bin:/usr/bin:/bin")).toBe("/usr/bin:/bin");
});
