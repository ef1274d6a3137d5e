import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { EXIT } from "../../errors.ts";
import { writeFileAtomically } from "../../keys/atomic-file.ts";

/** The step that fails, and how. */
const fault = vi.hoisted(() => ({ step: "", code: "" }));

// A disk that fails at a step: real ones do it when nobody is looking.
vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<typeof import("node:fs/promises")>();
  const strike = (step: string): void => {
    if (fault.step === step) throw Object.assign(new Error(fault.code), { code: fault.code });
  };
  const open = async (path: string, flags: string, mode?: number): Promise<FileHandle> => {
    strike(`open ${flags}`);
    const file = await real.open(path, flags, mode);
    const [write, sync] = [file.writeFile.bind(file), file.sync.bind(file)];
    file.writeFile = async (data) => {
      // A full disk takes a part.
      if (fault.step === "write") await write(String(data).slice(0, 3));
      strike("write");
      await write(data);
    };
    file.sync = async () => {
      strike(`sync ${flags}`);
      await sync();
    };
    return file;
  };
  const rename: typeof real.rename = async (from, to) => {
    strike("rename");
    await real.rename(from, to);
  };
  return { ...real, open, rename };
});

const directory = mkdtempSync(join(tmpdir(), "atomic-"));
const path = join(directory, "file");

afterEach(() => Object.assign(fault, { step: "", code: "" }));
afterAll(() => rmSync(directory, { recursive: true }));

describe("a file that is written", () => {
  it.each([
    ["open w", "EACCES", "old"],
    ["write", "ENOSPC", "old"],
    ["sync w", "EIO", "old"],
    ["rename", "EIO", "old"],
    // The new content is there, but a power failure could take it back: that has to be known.
    ["sync r", "EIO", "new"],
  ])("is old or new and never a part when %s fails with %s, which is told", async (step, code, content) => {
    writeFileSync(path, "old");
    Object.assign(fault, { step, code });
    await expect(writeFileAtomically(path, "new", true)).rejects.toMatchObject({
      message: `${path}: cannot be written (${code})`,
      hint: `df -h ${directory}; ls -ld ${directory}`,
      exitCode: EXIT.failed,
    });
    expect(readFileSync(path, "utf8")).toBe(content);
    expect(readdirSync(directory)).toEqual(["file"]);
  });

  it("gets its directory, and says so where that is impossible", async () => {
    await writeFileAtomically(join(directory, "a", "b"), "new", true);
    expect(readFileSync(join(directory, "a", "b"), "utf8")).toBe("new");
    await expect(writeFileAtomically(join(path, "b"), "new", true)).rejects.toThrow("cannot be written (EEXIST)");
  });

  it("does not replace another one unless it may", async () => {
    writeFileSync(path, "old");
    await expect(writeFileAtomically(path, "new", false)).rejects.toMatchObject({ code: "EEXIST" });
    expect(readFileSync(path, "utf8")).toBe("old");
  });
});
