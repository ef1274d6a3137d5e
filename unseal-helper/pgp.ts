import type { Pgp } from "./effects.ts";

// The one thing that Node does not have built in. It is loaded only where Vault is initialised.

/** PGP with keys that Vault's library understands; the newer kind for the same curve is unknown to it. */
export const pgp: Pgp = {
  async newPrivateKey() {
    const { generateKey } = await import("openpgp");
    const { privateKey } = await generateKey({
      type: "ecc",
      curve: "curve25519Legacy",
      userIDs: [{ name: "foundation" }],
      format: "binary",
      // A key from the future is refused, and clocks differ: this one is of 1970.
      date: new Date(0),
    });
    return Buffer.from(privateKey);
  },

  async publicKeyOf(privateKey) {
    const { readPrivateKey } = await import("openpgp");
    const key = await readPrivateKey({ binaryKey: privateKey });
    return Buffer.from(key.toPublic().write()).toString("base64");
  },

  async decrypt(privateKey, message) {
    const { decrypt, readMessage, readPrivateKey } = await import("openpgp");
    const decryptionKeys = await readPrivateKey({ binaryKey: privateKey });
    const options = {
      message: await readMessage({ binaryMessage: message }),
      decryptionKeys,
      format: "binary" as const,
    };
    const { data } = (await decrypt(options)) as { data: Uint8Array };
    return Buffer.from(data);
  },
};
