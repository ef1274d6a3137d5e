import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { LABEL } from "../../components/runner-config.ts";

const root = join(import.meta.dirname, "../..");

interface Workflow {
  readonly on: { readonly pull_request: unknown };
  readonly jobs: { readonly review: { readonly "runs-on": string; readonly steps: readonly Step[] } };
}
interface Step {
  readonly uses?: string;
  readonly run?: string;
}

it("runs on the foundation's own runner, with actions that the forge has, and checks before it reviews", () => {
  const { on, jobs } = parse(readFileSync(join(root, ".forgejo/workflows/review.yml"), "utf8")) as Workflow;
  const { "runs-on": label, steps } = jobs.review;
  expect([Object.keys(on), label]).toEqual([["pull_request"], LABEL]);
  for (const { uses } of steps) {
    const [, name = ""] = /^actions\/([\w-]+)@/.exec(uses ?? "") ?? [];
    if (uses !== undefined) expect(existsSync(join(root, "actions", name, "action.yml"))).toBe(true);
  }
  const commands = steps.flatMap(({ run = "" }) => run.split("\n").filter((line) => /^(npm|node) /.test(line)));
  expect(commands).toEqual(["npm test", 'node cli/foundation.mjs review --base "origin/$BASE" --post || code=$?']);
});
