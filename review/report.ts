import { EXIT, type ExitCode } from "../errors.ts";
import { compareGraphs, compareOutputs, type ResourceChange } from "./differences.ts";
import { changedImages, type ImageChange } from "./images.ts";
import { interruptions, type Interruption } from "./interruptions.ts";
import { CONTAINER, ofType, VOLUME } from "./policy/rule.ts";
import type { PropertyChange } from "./properties.ts";
import type { Recording } from "./record.ts";
import type { JudgedRecording } from "./request.ts";

/** What is to be known of the difference in one stack. */
export interface StackReport {
  readonly stack: string;
  /** whether only one of the two sides has a configuration for it */
  readonly presence: "both" | "new" | "gone";
  /** resources on the new side, without components */
  readonly resources: number;
  readonly changes: readonly ResourceChange[];
  readonly outputs: readonly PropertyChange[];
  readonly images: readonly ImageChange[];
  readonly interruptions: readonly Interruption[];
  /** `Container x: publishes 0.0.0.0:9000->9000/tcp` */
  readonly newPorts: readonly string[];
  /** what Pulumi would refuse, or what would lose data */
  readonly refusals: readonly string[];
  /** rules that the new side breaks */
  readonly violations: readonly string[];
}

/** What is to be known of the difference between two trees. */
export interface Report {
  /** as asked for */
  readonly base: string;
  /** short id of the commit that is compared with */
  readonly commit: string;
  /** what was not as usual */
  readonly notes: readonly string[];
  readonly stacks: readonly StackReport[];
}

/** Compares what one stack is on both sides. */
export function compareStack(before: JudgedRecording | undefined, after: JudgedRecording | undefined): StackReport {
  const stack = (after ?? before)?.stack ?? "";
  const nothing = { changes: [], outputs: [], images: [], interruptions: [], newPorts: [], refusals: [] };
  const resources = after?.recording.resources.filter(({ custom }) => custom).length ?? 0;
  const violations = after?.violations ?? [];
  if (!before || !after) {
    return { stack, presence: before ? "gone" : "new", resources, ...nothing, violations };
  }
  const [old, now] = [before.recording, after.recording];
  const changes = compareGraphs(old, now);
  return {
    stack,
    presence: "both",
    resources,
    changes,
    outputs: compareOutputs(old, now),
    images: changedImages(old, now),
    interruptions: interruptions(old, now, changes),
    newPorts: newPorts(old, now),
    refusals: changes.flatMap(refusal),
    violations,
  };
}

/** Whether a resource holds what cannot be made again. */
export const holdsData = ({ type }: Pick<ResourceChange, "type">): boolean => type === VOLUME;

function refusal(change: ResourceChange): string[] {
  if (change.operation !== "delete" && change.operation !== "replace") return [];
  if (!change.protected && !holdsData(change)) return [];
  const guard = change.protected ? "protected" : "holds data";
  return [`${change.label}: ${guard}, and it would be ${change.operation}d`];
}

function newPorts(before: Recording, after: Recording): string[] {
  const old = published(before);
  return published(after).filter((port) => !old.includes(port));
}

function published(run: Recording): string[] {
  return ofType(run, CONTAINER).flatMap(({ name, inputs }) =>
    ((inputs.ports ?? []) as { ip: string; external: number; internal: number; protocol: string }[]).map(
      ({ ip, external, internal, protocol }) =>
        `Container ${name}: publishes ${ip}:${external}->${internal}/${protocol}`,
    ),
  );
}

/** The exit code that says what a report found. */
export function exitCodeOf({ stacks }: Report): ExitCode {
  if (stacks.some(({ refusals, violations }) => refusals.length + violations.length > 0)) return EXIT.refused;
  const isSame = ({ presence, changes, outputs, images }: StackReport): boolean =>
    presence === "both" && changes.length + outputs.length + images.length === 0;
  return stacks.every(isSame) ? EXIT.ok : EXIT.attention;
}
