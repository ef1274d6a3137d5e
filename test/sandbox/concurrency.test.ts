import { expect, test } from "vitest";
import { once } from "../../sandbox/once.ts";
import { Slots } from "../../sandbox/slots.ts";

test("slots let only so many run at once, in order, also after a failure", async () => {
  const slots = new Slots(2);
  const log: string[] = [];
  let running = 0;
  let most = 0;
  const work = (name: string) =>
    slots.run(async () => {
      most = Math.max(most, ++running);
      log.push(name);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
      if (name === "b") throw new Error("b");
    });
  const results = await Promise.allSettled(["a", "b", "c", "d", "e"].map(work));
  expect(log).toEqual(["a", "b", "c", "d", "e"]);
  expect(most).toBe(2);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled", "fulfilled"]);
});

test("once: everybody gets the result of the one run", async () => {
  let runs = 0;
  const action = () => Promise.resolve(++runs);
  expect(await Promise.all([once("key", action), once("key", action), once("other", action)])).toEqual([1, 1, 2]);
});
