import { defineConfig } from "vitest/config";
import { PROGRAM_TESTS } from "./test/programs.ts";

// They replace a module of Node's or set the environment for everything in their worker, so they get one of their own.
const ALONE = [
  "test/review/**/*.test.ts",
  "test/keys/atomic-file.test.ts",
  "test/program/**/*.test.ts",
  "test/tunnel.test.ts",
  "test/unseal-helper/passphrase-rotation.test.ts",
];

// What is quick and needs no VM. vitest.e2e.config.ts has the rest: it deploys for real.
export default defineConfig({
  test: {
    // all of them: the checkers of the other lane are done long before the tests
    maxWorkers: "100%",
    testTimeout: 20_000,
    projects: [
      { extends: true, test: { name: "alone", include: ALONE } },
      // One worker for many files: loading the same modules anew for each would take half of the time.
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", ...ALONE, ...PROGRAM_TESTS],
          isolate: false,
        },
      },
    ],
  },
});
