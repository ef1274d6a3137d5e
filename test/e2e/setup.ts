import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureDocker, stopOwnDaemon } from "../../sandbox/docker-engine.ts";
import { ensurePrograms } from "../../sandbox/host-packages.ts";
import { requireRoot } from "../../sandbox/rig.ts";
import { createTestRig } from "./rig.ts";

/**
 * Prepares the machine once for all files, in whatever order they run: programs and Docker are installed where they are
 * missing. A Docker daemon started here outlives `sandbox destroy` and every killed `sandbox up`, and ends with the tests.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const scratch = mkdtempSync(join(tmpdir(), "foundation-e2e-"));
  const rig = createTestRig();
  const own = { ...rig, paths: { ...rig.paths, sandbox: scratch } };
  requireRoot(own);
  await ensurePrograms(own);
  await ensureDocker(own);
  return async () => {
    await stopOwnDaemon(own);
    rmSync(scratch, { recursive: true, force: true });
  };
}
