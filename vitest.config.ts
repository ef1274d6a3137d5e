import { defineConfig } from "vitest/config";

// Everything that needs no VM. test/e2e has its own configuration: it deploys for real.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**"],
    // all of them: the checkers of the other lane are done long before the tests
    maxWorkers: "100%",
    testTimeout: 20_000,
  },
});
