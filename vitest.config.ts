import { defineConfig } from "vitest/config";

// They replace a module of Node's for everything that shares their worker, so they get one of their own.
const MOCKING = ["test/keys/atomic-file.test.ts", "test/unseal-helper/passphrase-rotation.test.ts"];

// Everything that needs no VM. test/e2e has its own configuration: it deploys for real.
export default defineConfig({
  test: {
    // all of them: the checkers of the other lane are done long before the tests
    maxWorkers: "100%",
    testTimeout: 20_000,
    projects: [
      { extends: true, test: { name: "mocking", include: MOCKING } },
      // One worker for many files: loading the same modules anew for each would take half of the time.
      {
        extends: true,
        test: { name: "unit", include: ["test/**/*.test.ts"], exclude: ["test/e2e/**", ...MOCKING], isolate: false },
      },
    ],
  },
});
