import { createCipheriv, createDecipheriv, pbkdf2, randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { EXIT, UserError } from "../errors.ts";

// The format of Pulumi's passphrase secrets provider (sdk/go/common/resource/config/crypt.go):
//   encryptionsalt = v1:B64(8-byte salt):v1:B64(nonce):B64(ciphertext of "pulumi" and tag)
//   value          = v1:B64(nonce):B64(ciphertext and tag)
// under AES-256-GCM with PBKDF2-HMAC-SHA256(passphrase, salt, 1 000 000 rounds). It is public and stable, so that the
// helper can change the passphrase of a stack without Pulumi.

const ROUNDS = 1_000_000;
const SALT_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CHECK = "pulumi";

/**
 * The key under which a stack's secrets are encrypted.
 *
 * @param where names the file in messages
 * @param encryptionSalt the whole text
 * @returns 32 bytes; `undefined` where this is not the passphrase
 * @throws UserError (config) for a malformed salt
 */
export async function openPulumiKey(
  where: string,
  encryptionSalt: string,
  passphrase: Buffer,
): Promise<Buffer | undefined> {
  const [, saltText = "", check = ""] = /^v1:([^:]+):(v1:[^:]+:[^:]+)$/.exec(encryptionSalt) ?? [];
  const salt = strictBase64(saltText);
  if (salt?.length !== SALT_BYTES || parseValue(check) === undefined) {
    throw new UserError(
      `${where}: encryptionsalt is malformed`,
      `restore the file as Pulumi wrote it: git log -- ${where}`,
      EXIT.config,
    );
  }
  const key = await stretch(passphrase, salt);
  return openPulumiValue(key, check)?.toString() === CHECK ? key : undefined;
}

/** A new key for a passphrase, and the text from which {@link openPulumiKey} gets it again. */
export async function newPulumiKey(passphrase: Buffer): Promise<{ key: Buffer; salt: string }> {
  const salt = randomBytes(SALT_BYTES);
  const key = await stretch(passphrase, salt);
  return { key, salt: `v1:${salt.toString("base64")}:${sealPulumiValue(key, Buffer.from(CHECK))}` };
}

/** One value, as in `secure: v1:…`; `undefined` where the key does not open it. */
export function openPulumiValue(key: Buffer, value: string): Buffer | undefined {
  const parsed = parseValue(value);
  if (parsed === undefined) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, parsed.nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(parsed.box.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(parsed.box.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** Encrypts one value. */
export function sealPulumiValue(key: Buffer, plaintext: Buffer): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  const box = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return `v1:${nonce.toString("base64")}:${box.toString("base64")}`;
}

function parseValue(value: string): { nonce: Buffer; box: Buffer } | undefined {
  const [version, nonceText = "", boxText = "", ...more] = value.split(":");
  const [nonce, box] = [strictBase64(nonceText), strictBase64(boxText)];
  if (version !== "v1" || more.length > 0 || nonce?.length !== NONCE_BYTES) return undefined;
  return box === undefined || box.length < TAG_BYTES ? undefined : { nonce, box };
}

/** Node reads nearly everything as base64; Pulumi does not. */
function strictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}

function stretch(passphrase: Buffer, salt: Buffer): Promise<Buffer> {
  return promisify(pbkdf2)(passphrase, salt, ROUNDS, 32, "sha256");
}
