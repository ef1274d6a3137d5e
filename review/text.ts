import type { ResourceChange } from "./differences.ts";
import type { PropertyChange } from "./properties.ts";
import { holdsData, type Report, type StackReport } from "./report.ts";
import { countsOf, fateOf, reasonOf, remarkOf, SIGNS, verdictOf } from "./wording.ts";

/** A report for a terminal. What loses data or opens a port has an exclamation mark. */
export function formatText(report: Report): string {
  const verdict = verdictOf(report);
  return [
    `compared with ${report.base} (${report.commit})`,
    ...report.notes.map((note) => `note: ${note}`),
    ...report.stacks.flatMap((stack) => ["", ...formatStack(stack)]),
    ...(verdict === "" ? [] : ["", verdict]),
  ].join("\n");
}

function formatStack(report: StackReport): string[] {
  const { images, newPorts, outputs, refusals, violations } = report;
  return [
    `stack ${report.stack}: ${countsOf(report)}`,
    ...refusals.map((text) => `! refused: ${text}`),
    ...violations.map((text) => `! rule: ${text}`),
    ...newPorts.map((text) => `! new port: ${text}`),
    ...images.map((image) => {
      const { before, after, changelog } = image;
      const words = [`  image: ${image.image}`, `${before || "none"} → ${after || "none"}`, remarkOf(image), changelog];
      return words.filter((word) => word !== undefined && word !== "").join("  ");
    }),
    ...report.changes.flatMap(formatChange),
    ...(outputs.length > 0 ? ["  ~ outputs", ...outputs.map((output) => `      ${formatProperty(output)}`)] : []),
    ...formatInterruptions(report),
  ];
}

function formatChange(change: ResourceChange): string[] {
  const isGrave = holdsData(change) && (change.operation === "delete" || change.operation === "replace");
  return [
    `${isGrave ? "!" : " "} ${SIGNS[change.operation]} ${change.label}: ${fateOf(change)}`,
    ...change.properties.map((property) => `      ${formatProperty(property)}`),
    ...change.because.map((reason) => `      ${reason}`),
  ];
}

function formatProperty({ path, before, after, parts, secret }: PropertyChange): string {
  if (secret) return `${path}: ${parts && parts.length > 0 ? `${parts.join(", ")} ` : ""}(secret)`;
  if (parts) return `${path}: ${parts.join("; ")}`;
  if (before === undefined) return `${path}: ${after ?? ""} (new)`;
  return `${path}: ${before} → ${after ?? "gone"}`;
}

function formatInterruptions({ interruptions }: StackReport): string[] {
  if (interruptions.length === 0) return [];
  const width = Math.max(...interruptions.map(({ service }) => service.length));
  return [
    "  down while it is deployed, at most:",
    ...interruptions.map((each) => `      ${each.service.padEnd(width)}  ${each.seconds} s  ${reasonOf(each)}`),
  ];
}
