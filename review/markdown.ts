import type { ResourceChange } from "./differences.ts";
import type { PropertyChange } from "./properties.ts";
import { holdsData, type Report, type StackReport } from "./report.ts";
import { countsOf, fateOf, reasonOf, remarkOf, SIGNS, verdictOf } from "./wording.ts";

/** First line of the comment, by which the next run finds it again. Readers do not see it. */
export const MARKER = "<!-- foundation review -->";

/** A report as the comment of a pull request. What loses data or opens a port is bold. */
export function formatMarkdown(report: Report): string {
  const verdict = verdictOf(report);
  return [
    MARKER,
    `### What this changes${verdict === "" ? "" : `: ${verdict}`}`,
    "",
    `Compared with ${code(report.base)} (${report.commit}). Recorded without secrets: what is generated is a placeholder.`,
    ...report.notes.map((note) => `\n> ${escaped(note)}`),
    ...report.stacks.flatMap((stack) => ["", ...formatStack(stack)]),
    "",
  ].join("\n");
}

function formatStack(report: StackReport): string[] {
  const { outputs, refusals, violations } = report;
  return [
    `#### Stack ${code(report.stack)}: ${escaped(countsOf(report))}`,
    ...section(refusals.map((text) => `- **refused: ${escaped(text)}**`)),
    ...section(violations.map((text) => `- **rule: ${escaped(text)}**`)),
    ...section(report.newPorts.map((text) => `- **new port: ${escaped(text)}**`)),
    ...formatImages(report),
    ...section(report.changes.flatMap(formatChange)),
    ...section(outputs.length > 0 ? ["- `~` outputs", ...outputs.map(formatProperty)] : []),
    ...formatInterruptions(report),
  ];
}

const section = (lines: readonly string[]): string[] => (lines.length > 0 ? ["", ...lines] : []);

function formatImages({ images }: StackReport): string[] {
  if (images.length === 0) return [];
  const rows = images.map((image) => {
    const link = image.changelog === undefined ? "" : `[what is new](${image.changelog})`;
    const remark = image.isMajor ? `**${remarkOf(image)}**` : remarkOf(image);
    const version = (tag: string): string => (tag === "" ? "–" : code(tag));
    return `| ${image.image} | ${version(image.before)} | ${version(image.after)} | ${[remark, link].filter(Boolean).join(", ")} |`;
  });
  return ["", "| image | before | after | |", "|---|---|---|---|", ...rows];
}

function formatChange(change: ResourceChange): string[] {
  const isGrave = holdsData(change) && (change.operation === "delete" || change.operation === "replace");
  const text = `${change.label}: ${fateOf(change)}`;
  return [
    `- ${code(SIGNS[change.operation])} ${isGrave ? `**${text}**` : text}`,
    ...change.properties.map(formatProperty),
    ...change.because.map((reason) => `  - ${escaped(reason)}`),
  ];
}

function formatProperty({ path, before, after, parts, secret }: PropertyChange): string {
  const head = `  - ${escaped(path)}: `;
  if (secret) return `${head}${(parts ?? []).map((part) => `${code(part)} `).join("")}(secret)`;
  if (parts) return head + parts.map(code).join("; ");
  if (before === undefined) return `${head}${code(after ?? "")} (new)`;
  return `${head}${code(before)} → ${after === undefined ? "gone" : code(after)}`;
}

function formatInterruptions({ interruptions }: StackReport): string[] {
  if (interruptions.length === 0) return [];
  const rows = interruptions.map((each) => `| ${each.service} | ${each.seconds} s | ${reasonOf(each)} |`);
  return ["", "| down while it is deployed | at most | |", "|---|---|---|", ...rows];
}

/** Shown to the letter. Nothing ends it early: there is no way to write a backtick inside of single ones. */
const code = (text: string): string => `\`${text.replaceAll("`", "'").replaceAll(/\s+/g, " ") || " "}\``;

/** As text: what a value brings with it is neither a tag, nor a mention, nor a link. */
const escaped = (text: string): string => text.replaceAll(/[\\`*_[\]<>|@]/g, (sign) => `\\${sign}`);
