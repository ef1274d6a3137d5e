import { createHash } from "node:crypto";
import { sealKeyFile } from "../keys/keyfile.ts";

/** Opens every placeholder key file. It protects nothing: the key under it is written below. */
export const PASSPHRASE = "placeholder";

/** What every secret is derived from while a program is only recorded; the same each time, so that two graphs agree. */
export const MASTER_KEY = createHash("sha256").update("foundation review: a key that opens nothing").digest();

/** A key file in which there is no secret. The program opens it as it opens a real one, at next to no cost. */
export function placeholderKeyFile(stack: string): Promise<string> {
  const passphrase = Buffer.from(PASSPHRASE);
  return sealKeyFile({ stack, masterKey: MASTER_KEY, recoveryKey: MASTER_KEY, passphrase, scryptCost: 2 });
}
