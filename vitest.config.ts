import { defineConfig } from "vitest/config";

// Everything that needs no VM. test/e2e has its own configuration: it deploys for real.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**"],
    testTimeout: 20_000,
  },
});
