import { createMessage, encrypt, readKey } from "openpgp";
import { describe, expect, it } from "vitest";
import { openInitResponse } from "../../unseal-helper/init-response.ts";
import { pgp } from "../../unseal-helper/pgp.ts";
import { splitSecret } from "./shamir-split.ts";

const privateKey = await pgp.newPrivateKey();
const publicKey = await pgp.publicKeyOf(privateKey);
const shares = splitSecret(Buffer.alloc(32, 9), 6, 3);

async function encrypted(text: string): Promise<string> {
  const message = await createMessage({ text });
  const encryptionKeys = await readKey({ binaryKey: Buffer.from(publicKey, "base64") });
  const bytes = await encrypt({ message, encryptionKeys, format: "binary" });
  return Buffer.from(bytes as Uint8Array).toString("base64");
}

async function answer(of: readonly Buffer[]): Promise<string> {
  const keys = await Promise.all(of.map((share) => encrypted(share.toString("hex"))));
  return JSON.stringify({ keys_base64: keys, root_token: await encrypted("hvs.token") });
}

describe("the answer of sys/init", () => {
  it("opens with the private key of the epoch", async () => {
    const secrets = await openInitResponse(pgp, privateKey, await answer(shares), { n: 6, t: 3 });
    expect(secrets).toEqual({ shares, rootToken: "hvs.token" });
  });

  it("is nothing where it was cut short, at any place", async () => {
    const text = await answer(shares);
    for (let length = 0; length < text.length; length += 97) {
      expect(await openInitResponse(pgp, privateKey, text.slice(0, length), { n: 6, t: 3 })).toBeUndefined();
    }
  });

  it("is nothing with another key, too few shares, or a share of another set", async () => {
    const text = await answer(shares);
    expect(await openInitResponse(pgp, await pgp.newPrivateKey(), text, { n: 6, t: 3 })).toBeUndefined();
    expect(await openInitResponse(pgp, privateKey, text, { n: 7, t: 3 })).toBeUndefined();
    const strange = await answer(shares.with(5, splitSecret(Buffer.alloc(32, 8), 6, 3)[5] as Buffer));
    expect(await openInitResponse(pgp, privateKey, strange, { n: 6, t: 3 })).toBeUndefined();
  });

  it("is readable by whoever has the private key only, which is one of 1970 for any clock", async () => {
    const key = await readKey({ binaryKey: Buffer.from(publicKey, "base64") });
    expect(key.isPrivate()).toBe(false);
    expect(key.getCreationTime()).toEqual(new Date(0));
    expect(await key.getExpirationTime()).toBe(Infinity);
  });
});
