import { EXIT, UserError } from "../../../errors.ts";
import { text } from "../driver.ts";
import { isRecord, type Properties, type Value } from "../values.ts";

/** Label with the public id of the foundation that an object belongs to. */
export const OWNER_LABEL = "foundation.owner";

/** Labels as the daemon reports them; null for an object without any. */
export type Labels = Readonly<Record<string, string>> | null | undefined;

/** The provider's list of labels as Docker's map. */
export function labelMap(labels: Value | undefined): Record<string, string> {
  const list = Array.isArray(labels) ? labels.filter(isRecord) : [];
  return Object.fromEntries(list.map(({ label, value }) => [text(label), text(value)]));
}

/** Whether an object carries the label of this foundation. */
export function isOwn(existing: Labels, inputs: Properties): boolean {
  const owner = labelMap(inputs["labels"])[OWNER_LABEL];
  return owner !== undefined && existing?.[OWNER_LABEL] === owner;
}

/**
 * Makes sure that an object that is there and not in the state is one that an interrupted or forgotten run of this very
 * foundation made: only then may it be taken over, or removed.
 *
 * @param kind for the message: `container`, `network`, `volume`
 * @throws UserError (refused) when its owner is somebody else, or unknown
 */
export function requireOwn(kind: string, existing: Labels, inputs: Properties, label: string) {
  if (isOwn(existing, inputs)) return;
  const found = existing?.[OWNER_LABEL];
  const name = text(inputs["name"]);
  throw new UserError(
    `${label}: there is a ${kind} named ${name} that is not ours (label ${OWNER_LABEL}: ${found ?? "none"})`,
    `look at it on the VM: docker ${kind} inspect ${name}; rename or remove it there if nobody needs it, or use another VM`,
    EXIT.refused,
  );
}
