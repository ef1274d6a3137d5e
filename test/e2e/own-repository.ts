import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Status } from "../../cli/repository/format.ts";
import { foundation, must, paths } from "./rig.ts";

/** Whether the tests run in a clone whose commit the rig's forge takes. */
export async function isWholeClone(): Promise<boolean> {
  if (!existsSync(join(paths.project, ".git"))) return false;
  return (await must(["git", "-C", paths.project, "rev-parse", "--is-shallow-repository"])) === "false";
}

/** The rig's own repository beside the clone that the tests run in. */
export async function repositoryStatus(): Promise<Status> {
  const { stdout, stderr } = await foundation(["repository", "status", "--json", "--no-remote"]);
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as Status;
}
