import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deriveSecrets } from "../../keys/derive.ts";
import { p256PrivateKeyPem } from "../../keys/key-pairs.ts";
import { deriveBytes, LABELS } from "../../keys/labels.ts";
// Computed by an implementation of HKDF, P-256 and Ed25519 that shares no code with this one.
import vectors from "./vectors.json" with { type: "json" };

const masterKey = Buffer.from(vectors.masterKey, "hex");
const derived = deriveSecrets(masterKey);

describe("deriveSecrets", () => {
  it("agrees with the published vectors", () => {
    const { vaultAppRole: _, vaultShareKey: __, fileFingerprintKey, ...plain } = derived;
    const { password, ...offsite } = plain.offsite;
    expect({ ...plain, offsite, fileFingerprintKey: fileFingerprintKey.toString("hex") }).toEqual(vectors.secrets);
    expect(password(vectors.offsitePassword.vmId)).toBe(vectors.offsitePassword.password);
    expect(derived.vaultAppRole("pulumi")).toEqual(vectors.vaultAppRole.pulumi);
    const { epoch, index, key } = vectors.vaultShareKey;
    expect(derived.vaultShareKey(epoch, index).toString("hex")).toBe(key);
  });

  it("agrees with the vectors for what only the files use", () => {
    const { epoch, index } = vectors.vaultShareKey;
    const hex = (label: string, ...parts: (string | number)[]) =>
      deriveBytes(masterKey, label, 32, ...parts).toString("hex");
    expect({
      keyFileMac: hex(LABELS.keyFileMac),
      vaultShareFileMac: hex(LABELS.vaultShareFileMac),
      vaultRootToken: hex(LABELS.vaultRootToken, epoch),
      vaultShareMac: hex(LABELS.vaultShareMac, epoch, index),
    }).toEqual(vectors.other);
  });

  it("gives keys that sign what their public halves verify", () => {
    for (const pem of [derived.ca.rootKeyPem, derived.ca.intermediateKeyPem, derived.offsite.serverKeyPem]) {
      expect(createPrivateKey(pem).asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
      const signature = sign("sha256", Buffer.from("x"), pem);
      expect(verify("sha256", Buffer.from("x"), createPublicKey(pem), signature)).toBe(true);
    }
    expect(createPrivateKey(derived.forgejo.sshHostKeys.ed25519.privateKeyPem).asymmetricKeyType).toBe("ed25519");
    const { privateKeyPem, publicKeyPem } = derived.forgejo.idTokenKey;
    expect(verify(null, Buffer.from("x"), publicKeyPem, sign(null, Buffer.from("x"), privateKeyPem))).toBe(true);
  });

  it("gives every VM a password of its own for the offsite, and none to what is no id", () => {
    expect(derived.offsite.password("a".repeat(32))).not.toBe(derived.offsite.password("b".repeat(32)));
    expect(() => derived.offsite.password("")).toThrow('bad part ""');
  });

  it("is frozen, so that nobody can change a secret for everybody else", () => {
    expect(() => {
      (derived.forgejo.sshHostKeys.ed25519 as { publicKey: string }).publicKey = "";
    }).toThrow(TypeError);
  });

  it("gives another foundation nothing of the same", () => {
    const other = deriveSecrets(Buffer.alloc(32, 7));
    const values = (secrets: typeof derived) =>
      leaves({ ...secrets, fileFingerprintKey: secrets.fileFingerprintKey.toString("hex") });
    const shared = values(derived).filter((value) => values(other).includes(value));
    expect(shared).toEqual([]);
  });
});

describe("labels", () => {
  it("never collide, parameters included", () => {
    const labels = Object.values(LABELS);
    expect(new Set(labels).size).toBe(labels.length);
    const colliding = labels.filter((label) => labels.some((other) => other !== label && other.startsWith(label)));
    expect(colliding).toEqual([]);
    expect(labels.filter((label) => !/^foundation\/[a-z0-9/-]+\/v\d+\/?$/.test(label))).toEqual([]);
  });

  it("take exactly the parameters they say, without a slash in them", () => {
    expect(() => deriveBytes(masterKey, LABELS.vaultShare, 32)).toThrow("wrong number of parts");
    expect(() => deriveBytes(masterKey, LABELS.ownerId, 8, "x")).toThrow("wrong number of parts");
    expect(() => deriveBytes(masterKey, LABELS.vaultShare, 32, "a/b", 1)).toThrow('bad part "a/b"');
    expect(() => deriveBytes(Buffer.alloc(16), LABELS.ownerId, 8)).toThrow("the master key has 16 bytes, not 32");
  });
});

describe("P-256 scalars", () => {
  it("are legal for every input, the extremes included", () => {
    const input = fc.uint8Array({ minLength: 48, maxLength: 48 });
    fc.assert(
      fc.property(input, (bytes) => createPrivateKey(p256PrivateKeyPem(Buffer.from(bytes))).type === "private"),
      { examples: [[new Uint8Array(48)], [new Uint8Array(48).fill(255)]], numRuns: 200 },
    );
  });
});

function leaves(value: unknown): unknown[] {
  if (typeof value === "function") return [];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(leaves) : [String(value)];
}
