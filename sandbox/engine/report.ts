import { formatChange } from "./diff.ts";
import type { Changes, EngineEvent, Failure, Subject } from "./journal.ts";
import type { Operation } from "./plan.ts";

const SIGNS: Record<Operation, string> = { same: " ", create: "+", update: "~", replace: "±", delete: "-" };

const DOING: Record<Operation, string> = {
  same: "checking",
  create: "creating",
  update: "updating",
  replace: "replacing",
  delete: "deleting",
};

const DONE: Record<Operation, string> = {
  same: "unchanged",
  create: "created",
  update: "updated",
  replace: "replaced",
  delete: "deleted",
};

/** An event as lines of text, the same on a terminal and in a log. Secrets are masked. */
export function describeEvent(event: EngineEvent): string[] {
  switch (event.kind) {
    case "planned": {
      const why = event.reasons.length > 0 ? `  (because of ${event.reasons.join(", ")})` : "";
      const head = `${SIGNS[event.operation]} ${label(event.subject)} ${event.operation}${why}`;
      return [head, ...event.changes.map((change) => `    ${formatChange(change)}`)];
    }
    case "started": {
      const time = event.seconds > 0 ? `  (${formatSeconds(event.seconds)})` : "";
      return [`${SIGNS[event.operation]} ${label(event.subject)} ${DOING[event.operation]}…${time}`];
    }
    case "done":
      return [
        `${SIGNS[event.operation]} ${label(event.subject)} ${DONE[event.operation]}  (${formatSeconds(event.seconds)})`,
      ];
    case "failed":
      return [`! ${event.failure.subject ? label(event.failure.subject) : "program"} failed`];
    case "skipped":
      return [`  ${label(event.subject)} skipped: ${event.because}`];
    case "retained":
      return [`- ${label(event.subject)} left where it is`];
  }
}

/** A failure as every program here reports one. */
export function describeFailure({ message, hint }: Failure): string[] {
  return [`error: ${message}`, `hint: ${hint}`];
}

const TO_DO: Record<Operation, string> = {
  same: "unchanged",
  create: "to create",
  update: "to update",
  replace: "to replace",
  delete: "to delete",
};

/** `3 created, 1 replaced, 12 unchanged`; with `planned`, `3 to create, …` */
export function describeChanges(changes: Changes, planned = false): string {
  const counted = Object.entries(changes).filter(([, count]) => count > 0) as [Operation, number][];
  const words = planned ? TO_DO : DONE;
  return counted.map(([operation, count]) => `${count} ${words[operation]}`).join(", ") || "nothing to do";
}

function label({ type, name }: Subject): string {
  return `${type} ${name}`;
}

function formatSeconds(seconds: number): string {
  return `${seconds.toFixed(1)}s`;
}
