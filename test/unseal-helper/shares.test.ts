import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import jsQR from "jsqr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Program } from "./program.ts";

const program = new Program();
const sheets = join(program.vm.directory, "sheets");
/** the five lines of each printed sheet, by index */
const lines = new Map<number, string>();
let epoch = "";

beforeAll(() => program.start(), 60_000);
afterAll(() => program.vm.stop());

interface File {
  epochs: { id: string; shares: { index: number; custody: string; sealed: string | null; mac: string }[] }[];
}
const shareFile = () => (JSON.parse(readFileSync(program.shareFile, "utf8")) as File).epochs[0];
const custody = () => shareFile()?.shares.map((share) => share.custody);
const svg = (index: number): string => {
  const name = readdirSync(sheets).find((file) => file.includes(`-share-${index}-`)) ?? "";
  return readFileSync(join(sheets, name), "utf8");
};
const printedLines = (text: string): string =>
  [...text.matchAll(/>(\d: [0-9A-Z ]{19})</g)].map(([, line]) => line).join("\n");
const typed = (...indices: number[]): string => indices.map((index) => lines.get(index)).join("\n\n");

describe("shares", { timeout: 60_000 }, () => {
  it("prints those above the threshold, for their owner alone", async () => {
    expect((await program.run("shares", "print", "--out", sheets, "--dry-run")).stdout).toMatch(
      /^would write prod-vault-share-4-\w{8}\.svg\nwould write .*-5-.*\nwould write .*-6-.*\n$/,
    );
    const result = await program.run("shares", "print", "--out", sheets);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    epoch = shareFile()?.id ?? "";
    const names = [4, 5, 6].map((index) => `prod-vault-share-${index}-${epoch.slice(0, 8)}.svg`);
    expect(readdirSync(sheets)).toEqual(names);
    for (const name of names) expect(statSync(join(sheets, name)).mode & 0o777).toBe(0o600);
    expect(statSync(sheets).mode & 0o777).toBe(0o700);
    expect(custody()).toEqual(Array(6).fill("file"));
    for (const index of [4, 5, 6]) lines.set(index, printedLines(svg(index)));
  });

  it("does not overwrite a sheet", async () => {
    const result = await program.run("shares", "print", "--out", sheets);
    expect(result).toMatchObject({ code: 8, stdout: "" });
    expect(result.stderr).toContain("prod-vault-share-4-");
  });

  it("shows on each page which share it is, of what, and a code with the same content", () => {
    const text = svg(5);
    const mac = shareFile()?.shares[4]?.mac ?? "";
    expect(text).toContain(">Vault share 5 of 6</text>");
    expect(text).toContain(`epoch\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0 ${epoch}`);
    expect(text).toContain(mac.replace(/(.{4})(?=.)/g, "$1 "));
    expect(text).toMatch(/>printed\s+\d{4}-\d\d-\d\d</);
    expect(text).toMatch(/width="210mm" height="279mm"/);
    expect(text).not.toMatch(/href|url\(|<image|<script/);
    expect(scanned(text)).toBe(typed(5).replace(/^\d: /gm, "").replace(/\s/g, ""));
  });

  it("tells whether a sheet is good, and says nothing to Vault", async () => {
    const before = program.vm.requests.length;
    const result = await program.runWith({ fd3: typed(6, 4) }, "shares", "check", "--share-fd", "3");
    expect(result).toEqual({
      code: 0,
      stdout: `share 6 of epoch ${epoch}: good\nshare 4 of epoch ${epoch}: good\n`,
      stderr: "",
    });
    const code = await program.runWith({ fd3: scanned(svg(5)) ?? "" }, "shares", "check", "--share-fd", "3");
    expect(code.stdout).toBe(`share 5 of epoch ${epoch}: good\n`);
    expect(program.vm.requests).toHaveLength(before);
  });

  it("names the line with a typing error, without repeating it", async () => {
    const third = typed(4).split("\n")[2] ?? "";
    const wrong = third.slice(0, -1) + (third.endsWith("Z") ? "Y" : "Z");
    const text = typed(4).replace(third, wrong);
    const result = await program.runWith({ fd3: text }, "shares", "check", "--share-fd", "3");
    expect(result).toEqual({
      code: 4,
      stdout: "",
      stderr:
        "error: sheet 1: line 3 has a typing error\n" +
        "hint: type the lines as printed; each stands for itself, so correct only the line named\n",
    });
  });

  it("takes a share out of the file once its sheet is proven good", async () => {
    const result = await program.runWith({ fd3: typed(4, 5, 6) }, "shares", "check", "--remove", "--share-fd", "3");
    expect(result.stdout.trimEnd().split("\n").at(-1)).toBe("the file has 3 shares, 3 open Vault; commit it");
    expect(custody()).toEqual(["file", "file", "file", "paper", "paper", "paper"]);
    expect(shareFile()?.shares[5]).toMatchObject({ sealed: null, mac: expect.stringMatching(/^\w{16}$/) as string });
    const again = await program.runWith({ fd3: typed(4) }, "shares", "check", "--remove", "--share-fd", "3");
    expect(again.stdout).toBe(`share 4 of epoch ${epoch}: good\n`);
  });

  it("has nothing left to print but what is in the file", async () => {
    const above = await program.run("shares", "print", "--out", sheets);
    expect(above).toMatchObject({ code: 8 });
    expect(above.stderr).toContain("shares: those above the threshold are on paper already");
    const paper = await program.run("shares", "print", "--out", sheets, "--shares", "4");
    expect(paper).toMatchObject({
      code: 64,
      stderr: expect.stringContaining("--shares 4: the file has 1,2,3") as string,
    });
    const three = await program.run("shares", "print", "--out", sheets, "--shares", "3");
    expect(three).toMatchObject({ code: 0 });
    lines.set(3, printedLines(svg(3)));
  });

  it("issues a further share, which opens Vault with the others", async () => {
    const result = await program.run("shares", "issue", "--out", sheets, "--json");
    expect(JSON.parse(result.stdout)).toMatchObject({ index: 7 });
    expect(svg(7)).toContain(">Vault share 7</text>");
    lines.set(7, printedLines(svg(7)));
    expect(custody()).toEqual(["file", "file", "file", "paper", "paper", "paper", "paper"]);
    await program.run("seal");
    const opened = await program.runWith({ env: {}, fd3: typed(7, 4, 6) }, "unseal", "--paper", "--share-fd", "3");
    expect(opened).toEqual({ code: 0, stdout: "vault 0.0.0: unsealed\n", stderr: "" });
  });

  it("opens with the file and paper mixed, and asks for no more than is missing", async () => {
    await program.runWith({ fd3: typed(3) }, "shares", "check", "--remove", "--share-fd", "3");
    await program.run("seal");
    const none = await program.run("unseal", "--share-fd", "3");
    expect(none).toMatchObject({ code: 4, stdout: "" });
    expect(none.stderr).toContain("shares: 2 of the 3 that open Vault");
    const without = await program.run("ensure");
    expect(without.stderr).toContain("shares: 2 of the 3 that open Vault");
    const mixed = await program.runWith({ fd3: typed(5) }, "unseal", "--share-fd", "3");
    expect(mixed).toEqual({ code: 0, stdout: "vault 0.0.0: unsealed\n", stderr: "" });
  });

  it("opens with the share file lost as well", async () => {
    await program.run("seal");
    const args = ["unseal", "--paper", "--share-fd", "3", "--stack", "lost", "--host", "root@vm.test"];
    const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEw9yl2wxFCGfOWn5SJupUXbM+9otHauUy1D0UgAumjN";
    const result = await program.runWith({ env: {}, fd3: typed(7, 5, 3) }, ...args, "--host-key", key);
    expect(result).toEqual({ code: 0, stdout: "vault 0.0.0: unsealed\n", stderr: "" });
  });

  it.each<[string, () => string, number, string]>([
    ["a sheet twice", () => typed(4, 4, 5), 8, "sheet 4: is used already"],
    ["too few sheets", () => typed(4, 5), 4, "shares: 2 of the 3 that open Vault"],
    ["half a sheet", () => typed(4).split("\n").slice(0, 3).join("\n"), 4, "sheet 1: has 3 lines instead of 5"],
  ])("refuses %s", async (_, text, code, message) => {
    await program.run("seal");
    const before = program.vm.requests.filter((request) => request === "PUT sys/unseal").length;
    const result = await program.runWith({ env: {}, fd3: text() }, "unseal", "--paper", "--share-fd", "3");
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr.split("\n")[0]).toBe(`error: ${message}`);
    expect(program.vm.requests.filter((request) => request === "PUT sys/unseal")).toHaveLength(before);
  });

  it("breaks the glass and rekeys with sheets where the file has too few", async () => {
    await program.runWith({ fd3: typed(5) }, "unseal", "--share-fd", "3");
    const few = await program.run("breakglass", "--share-fd", "3", "--", "true");
    expect(few).toEqual({
      code: 4,
      stdout: "",
      stderr:
        "error: shares: 2 of the 3 that open Vault\n" +
        "hint: type the sheets that are missing: npx foundation vault unseal (rekey and breakglass ask as well)\n",
    });
    const broken = await program.runWith({ fd3: typed(7) }, "breakglass", "--share-fd", "3", "--", "true");
    expect(broken.stdout).toBe("vault: true ended with 0; the token is revoked\n");
    expect((await program.run("rekey", "--share-fd", "3")).code).toBe(4);
    const { requests } = program.vm;
    const before = requests.length;
    expect((await program.runWith({ fd3: typed(6) }, "rekey", "--share-fd", "3")).code).toBe(0);
    expect(requests.slice(before)).toContain("PUT sys/rekey/verify");
    const old = await program.runWith({ fd3: typed(4) }, "shares", "check", "--share-fd", "3");
    expect(old).toMatchObject({
      code: 8,
      stderr: expect.stringContaining(`sheet 4: of epoch ${epoch.slice(0, 8)}…`) as string,
    });
  });

  it("never shows a share but on its sheet", () => {
    const seen = [program.output, JSON.stringify(program.vm.sshCalls()), readFileSync(program.shareFile, "utf8")];
    const groups = [...lines.values()].flatMap((sheet) =>
      sheet
        .split("\n")
        .slice(1)
        .map((line) => line.slice(3)),
    );
    expect(groups).toHaveLength(5 * 4);
    const everything = seen.join("\n");
    expect([...groups, ...program.vm.vault.secrets].filter((secret) => everything.includes(secret))).toEqual([]);
  });
});

/** What a reader makes of the code that is drawn on a page. */
function scanned(page: string): string | undefined {
  const path = / d="([^"]+)"/.exec(page)?.[1] ?? "";
  const pixelsPerMillimetre = 10;
  const size = 58 * pixelsPerMillimetre;
  const pixels = new Uint8ClampedArray(4 * size * size).fill(255);
  for (const [, x, y, width, height] of path.matchAll(/M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z/g)) {
    const [left, top, right, bottom] = [
      Number(x),
      Number(y),
      Number(x) + Number(width),
      Number(y) + Number(height),
    ].map((millimetres) => Math.round(millimetres * pixelsPerMillimetre)) as [number, number, number, number];
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++)
        pixels.fill(0, 4 * (row * size + column), 4 * (row * size + column) + 3);
    }
  }
  // The types of the package describe its CommonJS form.
  const read = ((jsQR as unknown as { default?: typeof jsQR }).default ?? jsQR) as unknown as (
    data: Uint8ClampedArray,
    width: number,
    height: number,
  ) => { data: string } | null;
  return read(pixels, size, size)?.data;
}
