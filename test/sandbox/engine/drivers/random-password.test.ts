import { expect, test } from "vitest";
import { randomPassword } from "../../../../sandbox/engine/drivers/random-password.ts";
import type { Properties } from "../../../../sandbox/engine/values.ts";

const context = { label: "random password", name: "password" };

async function generate(inputs: Properties): Promise<string> {
  return String((await randomPassword.create(inputs, context)).outputs["result"]);
}

test.each<[Properties, RegExp]>([
  [{ length: 32, special: false }, /^[A-Za-z0-9]{32}$/],
  [{ length: 20, upper: false, special: false, numeric: false }, /^[a-z]{20}$/],
  [{ length: 20, number: false, lower: false, special: false }, /^[A-Z]{20}$/],
  [{ length: 12, upper: false, lower: false, numeric: false, overrideSpecial: "_" }, /^_{12}$/],
  [{ length: 200 }, /^[A-Za-z0-9!@#$%&*()\-_=+[\]{}<>:?]{200}$/],
])("%j", async (inputs, expected) => {
  expect(await generate(inputs)).toMatch(expected);
});

test("minimums are kept, in no fixed place", async () => {
  const inputs = { length: 6, minUpper: 2, minLower: 2, minNumeric: 1, minSpecial: 1 };
  const results = await Promise.all(Array.from({ length: 50 }, () => generate(inputs)));
  for (const result of results) {
    expect([/[A-Z]/g, /[a-z]/g, /[0-9]/g].map((kind) => result.match(kind)?.length)).toEqual([2, 2, 1]);
  }
  expect(new Set(results.map((result) => result.search(/[0-9]/))).size).toBeGreaterThan(1);
  expect(new Set(results).size).toBe(50);
});

test("the id says nothing, the result is secret, the defaults are known", async () => {
  expect(randomPassword.secretOutputs).toEqual(["result"]);
  expect(await randomPassword.create({ length: 1, special: false }, context)).toMatchObject({
    id: "none",
    outputs: { lower: true, upper: true, numeric: true, special: false, minLower: 0 },
  });
});

test("every input makes a new one", () => {
  expect(randomPassword.replaceOn).toEqual(randomPassword.inputs);
  expect(randomPassword.update).toBeUndefined();
});

test.each<[Properties, string]>([
  [{ length: 3, minLower: 4 }, "length 3 with 4 classes of characters and 4 required ones"],
  [{ length: 0 }, "length 0 with 4 classes of characters and 0 required ones"],
  [
    { length: 8, upper: false, lower: false, numeric: false, special: false },
    "length 8 with 0 classes of characters and 0 required ones",
  ],
])("%j cannot be", (inputs, message) => {
  expect(() => randomPassword.check?.(inputs, context)).toThrow(`random password: no password of ${message}`);
});
