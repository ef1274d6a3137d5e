import { expect, test } from "vitest";
import { goMemory } from "../../backup/go-memory.ts";

test("Go's garbage collector has a limit below that of the container", () => {
  expect(goMemory(768 * 1024 * 1024)).toEqual({ GOGC: "200", GOMEMLIMIT: "483183820" });
});

test("without a limit, Go's own default holds", () => {
  expect(goMemory(0)).toEqual({});
  // What Node says where a control group knows no limit.
  expect(goMemory(2 ** 64)).toEqual({});
});
