import { z } from "zod";
import { EXIT, UserError } from "../errors.ts";

const schema = z.strictObject({
  version: z.literal(1),
  phase: z.enum(["restoring", "done"]),
  /** fresh: nothing was restored; kept: there was data; restored: from a backup */
  mode: z.enum(["fresh", "kept", "restored"]),
  /** what the configuration asked for */
  request: z.string(),
  /** id of the snapshot that is or was restored */
  snapshot: z.string().nullable(),
  /** when the set was finished, ISO time */
  backup: z.string().nullable(),
  /** seconds by step, once done */
  seconds: z.record(z.string(), z.number()),
});

/**
 * What has been done about empty volumes, kept on the VM: a restore that was cut short is gone on with from the same
 * backup, and what comes later (Vault, the forge) sees whether there was one.
 */
export type Journal = z.infer<typeof schema>;

/** The text of a journal. */
export function renderJournal(journal: Journal): string {
  return `${JSON.stringify(schema.parse(journal), undefined, 2)}\n`;
}

/**
 * Reads a journal.
 *
 * @throws UserError (refused) where it is not one: going on might restore over data
 */
export function parseJournal(path: string, text: string): Journal {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new UserError(
      `${path}: not a journal of a restore`,
      `if the volumes hold what they should: rm ${path} (on the VM), then pulumi up`,
      EXIT.refused,
    );
  }
}
