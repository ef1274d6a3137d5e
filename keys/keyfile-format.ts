import { basename } from "node:path";
import { SEALED_OVERHEAD_BYTES } from "./sealed-box.ts";
import { damaged, parseDocument, type SignedDocument } from "./signed-document.ts";
import { StrictFields } from "./strict-fields.ts";

export const KEY_FILE_VERSION = 1;
export const MASTER_KEY_BYTES = 32;
export const SALT_BYTES = 32;
/** A Pulumi stack name, which is also a part of two file names. */
export const STACK_NAME = /^[A-Za-z0-9._-]{1,100}$/;

const SCRYPT_COST_MAX = 2 ** 20;

/** The master key under a passphrase. `cost` is scrypt's N; r = 8, p = 1. */
export interface PassphraseSlot {
  readonly slot: 0;
  readonly kind: "passphrase";
  readonly kdf: "scrypt";
  readonly cost: number;
  readonly salt: string;
  readonly sealed: string;
}

/** The master key under the printed recovery key, which is as random as itself and needs no stretching. */
export interface RecoverySlot {
  readonly slot: 1;
  readonly kind: "recovery";
  readonly sealed: string;
}

/** A key file without its MAC and checksum. */
export interface KeyFileBody {
  readonly version: typeof KEY_FILE_VERSION;
  readonly stack: string;
  /** for people; nothing depends on it */
  readonly created: string;
  readonly slots: readonly [PassphraseSlot, RecoverySlot];
}

/** A key file whose form and checksum are right, and whose MAC is still to be checked. */
export interface ParsedKeyFile {
  readonly body: KeyFileBody;
  readonly document: SignedDocument;
}

/** Name of the key file of a stack inside the key directory. */
export function keyFileName(stack: string): string {
  return `${stack}.key.json`;
}

/**
 * Reads the text of a key file strictly.
 *
 * @throws UserError (keyFile) that names what is wrong
 */
export function parseKeyFile(path: string, content: string): ParsedKeyFile {
  const document = parseDocument(path, content);
  const fields = new StrictFields(path, "", document.body, ["version", "stack", "created", "slots"]);
  const version = fields.literal("version", KEY_FILE_VERSION);
  const stack = fields.string("stack", STACK_NAME);
  if (basename(path) !== keyFileName(stack)) throw damaged(path, `it belongs to stack ${stack}`);
  const created = fields.string("created", /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  const [first, second, ...more] = fields.array("slots");
  if (more.length > 0) throw damaged(path, "it has more than two slots");
  const slots = [parsePassphraseSlot(path, first), parseRecoverySlot(path, second)] as const;
  return { body: { version, stack, created, slots }, document };
}

function parsePassphraseSlot(path: string, value: unknown): PassphraseSlot {
  const fields = new StrictFields(path, "slots[0]", value, ["slot", "kind", "kdf", "cost", "salt", "sealed"]);
  // The bound keeps a forged file from taking all memory.
  const cost = fields.integer("cost", 2, SCRYPT_COST_MAX);
  if ((cost & (cost - 1)) !== 0) throw damaged(path, "slots[0].cost is not a power of two");
  return {
    slot: fields.literal("slot", 0),
    kind: fields.literal("kind", "passphrase"),
    kdf: fields.literal("kdf", "scrypt"),
    cost,
    salt: fields.base64("salt", SALT_BYTES),
    sealed: fields.base64("sealed", MASTER_KEY_BYTES + SEALED_OVERHEAD_BYTES),
  };
}

function parseRecoverySlot(path: string, value: unknown): RecoverySlot {
  const fields = new StrictFields(path, "slots[1]", value, ["slot", "kind", "sealed"]);
  return {
    slot: fields.literal("slot", 1),
    kind: fields.literal("kind", "recovery"),
    sealed: fields.base64("sealed", MASTER_KEY_BYTES + SEALED_OVERHEAD_BYTES),
  };
}
