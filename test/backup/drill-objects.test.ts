import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { compareObjects, parseNamedObjects } from "../../backup/drill-objects.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

test("every object that the database names has to be there, with its size and hash", async () => {
  const mirror = mkdtempSync(join(tmpdir(), "foundation-drill-"));
  const put = (key: string, content: string) => {
    mkdirSync(dirname(join(mirror, key)), { recursive: true });
    writeFileSync(join(mirror, key), content);
  };
  put("lfs/aa/bb/good", "good");
  put("lfs/aa/bb/other", "othex");
  put("lfs/aa/bb/short", "sho");
  put("attachments/1/2/12", "file");
  const answer = [
    `lfs/aa/bb/good\t4\t${sha256("good")}`,
    `lfs/aa/bb/other\t5\t${sha256("other")}`,
    `lfs/aa/bb/short\t5\t${sha256("short")}`,
    `lfs/aa/bb/none\t4\t${sha256("none")}`,
    "attachments/1/2/12\t4\t",
  ].join("\n");
  expect(await compareObjects("LFS objects", parseNamedObjects(answer), mirror)).toEqual({
    compared: 5,
    bytes: 22,
    problems: [
      `LFS objects: lfs/aa/bb/other: its content is not that of its hash (${sha256("othex")})`,
      "LFS objects: lfs/aa/bb/short: 3 bytes, the database says 5",
      "LFS objects: lfs/aa/bb/none: the database names it, and it is not in the backup",
    ],
  });
  rmSync(mirror, { recursive: true });
});

test("no rows, no objects", () => {
  expect(parseNamedObjects("")).toEqual([]);
});
