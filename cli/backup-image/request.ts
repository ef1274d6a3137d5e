import { z } from "zod";
import { parseProgramRequest } from "../program-request.ts";

const reference = z.string().regex(/^[a-z0-9][\w.:/-]*:[\w][\w.-]*@sha256:[0-9a-f]{64}$/, "is not a pinned image");
const schema = z.strictObject({
  target: z.strictObject({ address: z.string(), user: z.string(), port: z.number(), hostKey: z.string() }),
  ownerId: z.string().regex(/^[0-9a-f]{16}$/, "is not an owner id"),
  /** name of the image to build */
  reference: z.string().regex(/^foundation\/backup:[0-9a-f]{16}$/, "is not a name of the job's image"),
  /** what it is put together from; present on the VM */
  base: z.strictObject({ postgres: reference, restic: reference, node: reference }),
});

/** What the Pulumi program wants built. */
export type BackupImageRequest = z.infer<typeof schema>;

/**
 * Reads the request that the Pulumi program hands over in FOUNDATION_BACKUP_IMAGE.
 *
 * @throws UserError (config) naming each wrong property
 */
export function parseRequest(json: string): BackupImageRequest {
  const hint = "this variable is set by the Pulumi program: pulumi up";
  return parseProgramRequest(schema, "FOUNDATION_BACKUP_IMAGE", json, hint);
}
