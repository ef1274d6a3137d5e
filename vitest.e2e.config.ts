import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { PROGRAM_TESTS } from "./test/programs.ts";

// There is one rig and the tests change it: they run one after the other, in the order of their file names (10-up, 20-verify, …).
class ByFileName extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return Promise.resolve(files.toSorted((a, b) => a.moduleId.localeCompare(b.moduleId)));
  }
}

export default defineConfig({
  test: {
    include: ["test/e2e/**/*.test.ts", ...PROGRAM_TESTS],
    globalSetup: "test/e2e/setup.ts",
    fileParallelism: false,
    sequence: { sequencer: ByFileName },
    testTimeout: 20 * 60_000,
    hookTimeout: 40 * 60_000,
    teardownTimeout: 5 * 60_000,
  },
});
