import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sandboxFiles } from "../../sandbox/files.ts";
import { chosenParts } from "../../sandbox/images.ts";
import { planBinary } from "../../sandbox/parts/binaries.ts";
import { testRig } from "./test-rig.ts";

const names = (rig: ReturnType<typeof testRig>) => chosenParts(rig).map(({ name }) => name);

test("only what the stack uses is made", () => {
  const rig = testRig();
  expect(names(rig)).toEqual(["gitea", "vault", "postgres", "versitygw", "caddy", "node", "restic", "rest-server"]);
  mkdirSync(rig.paths.sandbox, { recursive: true });
  writeFileSync(sandboxFiles(rig.paths).config, "config:\n  foundation:runner:\n    enabled: true\n");
  expect(names(rig)).toEqual(expect.arrayContaining(["gitea-runner", "job"]));
  writeFileSync(
    sandboxFiles(rig.paths).config,
    "config:\n  foundation:runner:\n    enabled: true\n    isolation: container\n",
  );
  expect(names(rig)).toContain("gitea-runner");
  expect(names(rig)).not.toContain("job");
  writeFileSync(sandboxFiles(rig.paths).config, "config:\n  foundation:offsite: none\n");
  expect(names(rig)).toEqual(["gitea", "vault", "postgres", "versitygw", "caddy"]);
});

test("the real RustFS replaces its stand-in once it has been compiled", () => {
  const rig = testRig();
  mkdirSync(join(planBinary(rig, "rustfs").directory, "bin"), { recursive: true });
  expect(names(rig)).toContain("rustfs");
  expect(names(rig)).not.toContain("versitygw");
});
