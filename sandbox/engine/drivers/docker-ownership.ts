import { EXIT, UserError } from "../../../errors.ts";
import { text } from "../driver.ts";
import { isRecord, type Properties, type Value } from "../values.ts";

/** Label with the public id of the foundation that an object belongs to. */
export const OWNER_LABEL = "foundation.owner";

/** The provider's list of labels as Docker's map. */
export function labelMap(labels: Value | undefined): Record<string, string> {
  const list = Array.isArray(labels) ? labels.filter(isRecord) : [];
  return Object.fromEntries(list.map(({ label, value }) => [text(label), text(value)]));
}

/**
 * Makes sure that an object that is there and not in the state is one that an interrupted or forgotten run of this very
 * foundation made: only then may it be taken over, or removed.
 *
 * @param kind for the message: `container`, `network`, `volume`
 * @throws UserError (refused) when its owner is somebody else, or unknown
 */
export function requireOwn(
  kind: string,
  existing: Readonly<Record<string, string>>,
  inputs: Properties,
  label: string,
) {
  const owner = labelMap(inputs["labels"])[OWNER_LABEL];
  const found = existing[OWNER_LABEL];
  if (owner !== undefined && found === owner) return;
  const name = text(inputs["name"]);
  throw new UserError(
    `${label}: there is a ${kind} named ${name} that is not ours (label ${OWNER_LABEL}: ${found ?? "none"})`,
    `look at it on the VM: docker ${kind} inspect ${name}; rename or remove it there if nobody needs it, or use another VM`,
    EXIT.refused,
  );
}
