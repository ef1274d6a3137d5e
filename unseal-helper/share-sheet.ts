import { scanText } from "./share-paper.ts";

/** What is printed on the sheet of one share. */
export interface Sheet {
  readonly stack: string;
  readonly epochId: string;
  readonly index: number;
  readonly n: number;
  readonly t: number;
  /** ISO day */
  readonly date: string;
  /** 16 hex characters, as in the share file */
  readonly fingerprint: string;
  /** the five lines of formatPaperShare */
  readonly lines: string;
}

/** Millimetres: as wide as A4 and as high as US Letter, so that it fits on one page of either. */
const PAGE = { width: 210, height: 279, margin: 20 };
const QR_MILLIMETRES = 58;
/** White border that a reader needs, in modules. */
const QUIET_ZONE = 4;

/**
 * A self-contained SVG that prints on one page: the share as lines to type and as a QR code, and what to do with it.
 *
 * Whoever holds fewer sheets than the threshold learns nothing, but each is to be kept like a key.
 */
export async function renderSheet(sheet: Sheet): Promise<string> {
  const { stack, epochId, index, n, t, date, fingerprint, lines } = sheet;
  const of = index > n ? "" : ` of ${n}`;
  const facts = [
    `foundation  ${stack}`,
    `epoch       ${epochId}`,
    `fingerprint ${fingerprint.replace(/(.{4})(?=.)/g, "$1 ")}`,
    `printed     ${date}`,
  ];
  const left = PAGE.margin;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${PAGE.width}mm" height="${PAGE.height}mm" viewBox="0 0 ${PAGE.width} ${PAGE.height}">
<title>Vault share ${index}${of}, ${escape(stack)}</title>
<rect width="100%" height="100%" fill="#fff"/>
<g font-family="DejaVu Sans, Helvetica, Arial, sans-serif" fill="#000">
<text x="${left}" y="32" font-size="9" font-weight="bold">Vault share ${index}${of}</text>
<text x="${left}" y="41" font-size="5">Any ${t} shares open the Vault. Fewer reveal nothing.</text>
</g>
<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" fill="#000" xml:space="preserve">
${textLines(facts, left, 54, 4.2, 6.2)}
<rect x="${left}" y="82" width="${PAGE.width - 2 * left}" height="54" fill="none" stroke="#000" stroke-width="0.5"/>
${textLines(lines.split("\n"), left + 10, 94, 8, 9.2)}
</g>
<path transform="translate(${left} 146)" fill="#000" d="${await qrPath(scanText(lines))}"/>
<g font-family="DejaVu Sans, Helvetica, Arial, sans-serif" fill="#000">
${textLines(instructions(sheet), left + QR_MILLIMETRES + 6, 152, 3.6, 5.6)}
</g>
</svg>
`;
}

function instructions({ stack, t }: Sheet): string[] {
  return [
    "Check this sheet, without opening anything:",
    `  npx foundation vault shares check --stack ${stack}`,
    `Open Vault with ${t} sheets, when the passphrase is lost:`,
    `  npx foundation vault unseal --paper --stack ${stack}`,
    "",
    "Type the five lines, or scan the code. Case and spaces",
    "do not matter; a typing error is found in its line.",
    "",
    `Keep fewer than ${t} sheets in one place, and none with the`,
    "repository or the passphrase. A sheet that was stolen:",
    "  npx foundation vault rekey, and print new ones.",
  ];
}

/** The modules of a QR code as one SVG path, scaled to {@link QR_MILLIMETRES}. */
async function qrPath(text: string): Promise<string> {
  // Only printing needs it.
  const { default: qrcode } = await import("qrcode-generator");
  const code = qrcode(0, "Q");
  code.addData(text, "Alphanumeric");
  code.make();
  const count = code.getModuleCount();
  const size = QR_MILLIMETRES / (count + 2 * QUIET_ZONE);
  const millimetres = (modules: number): string => (modules * size).toFixed(3);
  const runs: string[] = [];
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) {
      if (!code.isDark(row, column)) continue;
      const start = column;
      while (column + 1 < count && code.isDark(row, column + 1)) column++;
      const width = millimetres(column + 1 - start);
      const at = `${millimetres(start + QUIET_ZONE)} ${millimetres(row + QUIET_ZONE)}`;
      runs.push(`M${at}h${width}v${millimetres(1)}h-${width}z`);
    }
  }
  return runs.join("");
}

function textLines(lines: readonly string[], x: number, y: number, size: number, step: number): string {
  return lines
    .map((line, at) => `<text x="${x}" y="${(y + at * step).toFixed(1)}" font-size="${size}">${spaced(line)}</text>`)
    .join("\n");
}

/** Renderers that ignore xml:space would swallow the spaces that align. */
function spaced(line: string): string {
  return escape(line).replace(/ {2}/g, "\u00a0\u00a0");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
