import { UserError } from "../errors.ts";
import { StrictFields } from "../keys/strict-fields.ts";

/** What a backup says of its snapshot of Vault. */
export interface SeedManifest {
  /** whose shares opened Vault then, as the marker in its volume said */
  readonly epoch: string;
  readonly n: number;
  readonly t: number;
  readonly clusterId: string;
  readonly version: string;
  readonly bytes: number;
  /** of the snapshot, hex */
  readonly sha256: string;
  /** ISO time */
  readonly taken: string;
}

const NAME = "vm: /var/lib/foundation/seed/vault.json";

/**
 * Reads what stage 3 has written on the VM.
 *
 * @throws UserError (keyFile) that names what is wrong
 */
export function parseSeedManifest(text: string): SeedManifest {
  const names = ["epoch", "n", "t", "clusterId", "version", "bytes", "sha256", "taken"];
  const fields = new StrictFields(NAME, "", parse(text), names);
  const n = fields.integer("n", 2, 255);
  return {
    epoch: fields.string("epoch", /^[0-9a-f-]{36}$/),
    n,
    t: fields.integer("t", 2, n),
    clusterId: fields.string("clusterId", /^[0-9a-f-]{36}$/),
    version: fields.string("version", /^\d+\.\d+\.\d+/),
    bytes: fields.integer("bytes", 1, Number.MAX_SAFE_INTEGER),
    sha256: fields.string("sha256", /^[0-9a-f]{64}$/),
    taken: fields.string("taken", /^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(
      `${NAME}: is not JSON`,
      "restore again: rm -r /var/lib/foundation/seed/* (on the VM), then pulumi up",
    );
  }
}
