import type { Operation, ResourceChange } from "./differences.ts";
import type { ImageChange } from "./images.ts";
import type { Interruption } from "./interruptions.ts";
import type { Report, StackReport } from "./report.ts";

/** Sign before a line, as Pulumi has them. */
export const SIGNS: Readonly<Record<Operation, string>> = {
  add: "+",
  change: "~",
  replace: "±",
  delete: "-",
  order: "·",
};

const COUNTED: Readonly<Record<Operation, string>> = {
  add: "added",
  change: "changed",
  replace: "replaced",
  delete: "deleted",
  order: "in another order",
};

/** `1 replaced, 2 changed`, or `nothing changes`. */
export function countsOf({ presence, changes, outputs, resources }: StackReport): string {
  if (presence === "new") return `new, ${resources} resources`;
  if (presence === "gone") return "no longer configured; what is deployed stays until `pulumi destroy`";
  const counts = (Object.keys(COUNTED) as Operation[]).flatMap((operation) => {
    const count = changes.filter((change) => change.operation === operation).length;
    return count > 0 ? [`${count} ${COUNTED[operation]}`] : [];
  });
  if (outputs.length > 0) counts.push(outputs.length === 1 ? "1 output changed" : `${outputs.length} outputs changed`);
  return counts.length > 0 ? counts.join(", ") : "nothing changes";
}

/** What happens to a resource, after its label. */
export function fateOf({ operation, type, retained }: ResourceChange): string {
  const isCommand = type.endsWith(":Command");
  switch (operation) {
    case "add":
      return isCommand ? "runs" : "created";
    case "change":
      return isCommand ? "runs again" : "changed in place";
    case "replace":
      return isCommand ? "runs again, as a new one" : "replaced";
    case "delete":
      if (isCommand) return "forgotten; by itself, this undoes nothing";
      return retained ? "forgotten; it stays on the VM" : "deleted";
    case "order":
      return "waits for others than before; nothing happens to it";
  }
}

/** `itself 240 s (120 to stop, 120 to become healthy, checked every 1 s), and without postgres`. */
export function reasonOf({ restart, without }: Interruption): string {
  const reasons = [];
  if (restart) {
    const { stopSeconds: stop, startSeconds: start, checkSeconds: check } = restart;
    reasons.push(`restarts: ${stop} s to stop, ${start} s to become healthy, checked every ${check} s`);
  }
  if (without.length > 0) reasons.push(`without ${without.join(", ")}`);
  return reasons.join("; ");
}

/** What is special about another version of an image; empty for a usual one. */
export function remarkOf({ before, after, isMajor, isRepinned }: ImageChange): string {
  if (before === "") return "new";
  if (after === "") return "no longer used";
  if (isRepinned) return "same version, other content";
  return isMajor ? "major version" : "";
}

/** How a report ends: what it means for who merges. */
export function verdictOf({ stacks }: Report): string {
  const refused = stacks.reduce((sum, { refusals }) => sum + refusals.length, 0);
  const broken = stacks.reduce((sum, { violations }) => sum + violations.length, 0);
  if (refused + broken === 0) return "";
  const parts = [
    ...(refused > 0 ? [`${refused} refused`] : []),
    ...(broken > 0 ? [`${broken} ${broken === 1 ? "rule" : "rules"} broken`] : []),
  ];
  return `not to be merged: ${parts.join(", ")}`;
}
