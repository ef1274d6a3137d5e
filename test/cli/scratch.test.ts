import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withScratch } from "../../cli/scratch.ts";

test("the directory is private and gone afterwards; what was created is undone in reverse order", async () => {
  const undone: string[] = [];
  const directory = await withScratch("verify", (scratch) => {
    expect(scratch.id).toMatch(/^verify-[0-9a-f]{8}$/);
    expect(statSync(scratch.directory).mode & 0o777).toBe(0o700);
    for (const what of ["repository", "key"]) scratch.defer(() => Promise.resolve(undone.push(what)));
    scratch.defer(() => {
      // the directory still exists while other things are undone
      writeFileSync(join(scratch.directory, "late"), "");
      return Promise.resolve();
    });
    return Promise.resolve(scratch.directory);
  });
  expect(existsSync(directory)).toBe(false);
  expect(undone).toEqual(["key", "repository"]);
});

test("a failure is undone too, and is what is reported", async () => {
  const undone: string[] = [];
  const failing = withScratch("verify", (scratch) => {
    scratch.defer(() => Promise.resolve(undone.push("first")));
    scratch.defer(() => Promise.reject(new Error("cannot be removed")));
    return Promise.reject(new Error("push refused"));
  });
  await expect(failing).rejects.toThrow("push refused");
  expect(undone).toEqual(["first"]);
});

test("what cannot be undone is a failure of its own", async () => {
  let directory = "";
  const leaving = withScratch("verify", (scratch) => {
    directory = scratch.directory;
    scratch.defer(() => Promise.reject(new Error("cannot be removed")));
    return Promise.resolve("fine");
  });
  await expect(leaving).rejects.toThrow("cannot be removed");
  expect(existsSync(directory)).toBe(false);
});
