import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { certRequest, locallySignedCert, selfSignedCert } from "../../../../sandbox/engine/drivers/tls.ts";
import type { Properties } from "../../../../sandbox/engine/values.ts";

const context = { label: "tls thing", name: "thing" };
const directory = mkdtempSync(join(tmpdir(), "tls-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function newKey(curve = "P-256", type: "sec1" | "pkcs8" = "sec1"): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: curve });
  return privateKey.export({ type, format: "pem" }).toString();
}

const caKey = newKey();
const caInputs: Properties = {
  privateKeyPem: caKey,
  subject: { commonName: "Foundation CA", organization: "Foundation" },
  validityPeriodHours: 24 * 365 * 30,
  isCaCertificate: true,
  allowedUses: ["cert_signing", "crl_signing"],
  setSubjectKeyId: true,
  setAuthorityKeyId: true,
};

async function makeLeaf(inputs: Properties = {}, key = newKey("P-384", "pkcs8")) {
  const ca = await selfSignedCert.create(caInputs, context);
  const request = await certRequest.create(
    {
      privateKeyPem: key,
      subject: { commonName: "git.foundation.test" },
      dnsNames: ["git.foundation.test", "s3.foundation.test"],
      ipAddresses: ["10.87.53.11"],
    },
    context,
  );
  const leaf = await locallySignedCert.create(
    {
      certRequestPem: request.outputs["certRequestPem"] ?? null,
      caCertPem: ca.outputs["certPem"] ?? null,
      caPrivateKeyPem: caKey,
      validityPeriodHours: 24,
      allowedUses: ["digital_signature", "key_encipherment", "server_auth"],
      ...inputs,
    },
    context,
  );
  return { ca, request, leaf };
}

function openssl(pem: unknown, ...args: string[]): string {
  return execFileSync("openssl", args, { input: String(pem) }).toString();
}

test("an authority's certificate is what OpenSSL and Go expect of one", async () => {
  const ca = await selfSignedCert.create(caInputs, context);
  const pem = String(ca.outputs["certPem"]);
  const certificate = new X509Certificate(pem);
  expect(certificate.ca).toBe(true);
  expect(certificate.subject).toBe("O=Foundation\nCN=Foundation CA");
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.checkPrivateKey(createPrivateKey(caKey))).toBe(true);
  expect(BigInt(`0x${certificate.serialNumber}`).toString()).toBe(ca.id);
  expect(pem.endsWith("-----END CERTIFICATE-----\n")).toBe(true);
  const shown = openssl(pem, "x509", "-noout", "-text");
  expect(shown).toContain("X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign");
  expect(shown).toContain("X509v3 Basic Constraints: critical\n                CA:TRUE");
  const keyId = /X509v3 Subject Key Identifier: \n\s+(.*)\n/.exec(shown)?.[1];
  expect(/X509v3 Authority Key Identifier: \n\s+(.*)\n/.exec(shown)?.[1]).toBe(keyId);
  expect(ca.outputs).toMatchObject({ keyAlgorithm: "ECDSA", readyForRenewal: false });
  const { validityStartTime, validityEndTime } = ca.outputs;
  expect(Date.parse(String(validityEndTime)) - Date.parse(String(validityStartTime))).toBe(24 * 365 * 30 * 3_600_000);
  // the key is derived, so the authority stays the same for its clients; its certificate is a new one
  expect((await selfSignedCert.create(caInputs, context)).id).not.toBe(ca.id);
});

test("a certificate signed by it verifies, for its names and uses", async () => {
  const { ca, leaf } = await makeLeaf();
  const [caFile, leafFile] = [join(directory, "ca.pem"), join(directory, "leaf.pem")];
  writeFileSync(caFile, String(ca.outputs["certPem"]));
  writeFileSync(leafFile, String(leaf.outputs["certPem"]));
  const verify = (...args: string[]) => openssl("", "verify", "-x509_strict", "-CAfile", caFile, ...args, leafFile);
  expect(verify("-purpose", "sslserver", "-verify_hostname", "s3.foundation.test")).toBe(`${leafFile}: OK\n`);
  expect(() => verify("-verify_hostname", "other.test")).toThrow();
  expect(() => verify("-purpose", "sslclient")).toThrow();
  const certificate = new X509Certificate(String(leaf.outputs["certPem"]));
  expect(certificate.subjectAltName).toBe("DNS:git.foundation.test, DNS:s3.foundation.test, IP Address:10.87.53.11");
  expect(certificate.ca).toBe(false);
  expect(leaf.outputs["caKeyAlgorithm"]).toBe("ECDSA");
});

test("a request carries its names and verifies with its key", async () => {
  const { request } = await makeLeaf();
  const shown = openssl(request.outputs["certRequestPem"], "req", "-noout", "-text", "-verify");
  expect(shown).toContain("Subject: CN = git.foundation.test");
  expect(shown).toContain("DNS:git.foundation.test, DNS:s3.foundation.test, IP Address:10.87.53.11");
  expect(shown).toContain("ecdsa-with-SHA384");
  expect(request.id).toMatch(/^[0-9a-f]{40}$/);
});

describe("renewal", () => {
  test.each([
    [0, undefined],
    [23, undefined],
    [24, "it is due for renewal"],
  ])("with %i hours to spare of 24", async (earlyRenewalHours, due) => {
    const { leaf } = await makeLeaf();
    expect(locallySignedCert.isDue?.({ ...leaf, inputs: { earlyRenewalHours } })).toBe(due);
  });

  test("only the renewal time can be changed in place", () => {
    const inPlace = (inputs: readonly string[], replaceOn: readonly string[]) =>
      inputs.filter((each) => !replaceOn.includes(each));
    expect(inPlace(locallySignedCert.inputs, locallySignedCert.replaceOn)).toEqual(["earlyRenewalHours"]);
    expect(inPlace(selfSignedCert.inputs, selfSignedCert.replaceOn)).toEqual(["earlyRenewalHours"]);
    expect(certRequest.update).toBeUndefined();
  });
});

test.each<[string, () => Promise<unknown>, string]>([
  [
    "a key that is none",
    () => certRequest.create({ privateKeyPem: "secret-rubbish" }, context),
    "tls thing: privateKeyPem: not a private key in PEM",
  ],
  [
    "a key of another kind",
    () => {
      const { privateKey } = generateKeyPairSync("ed25519");
      return certRequest.create(
        { privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString() },
        context,
      );
    },
    "tls thing: privateKeyPem: a key of the kind ed25519, not on a NIST curve",
  ],
  [
    "an unknown use",
    () => makeLeaf({ allowedUses: ["server_auth", "flying"] }),
    "tls thing: allowedUses: unknown: flying",
  ],
  ["an authority that is none", () => makeLeaf({ caCertPem: "x" }), "tls thing: caCertPem: cannot be read"],
  [
    "more of a name than is supported",
    () => certRequest.create({ privateKeyPem: caKey, subject: { country: "DE" } }, context),
    "tls thing: subject: the sandbox's engine does not know country",
  ],
])("%s is refused", async (_what, action, message) => {
  await expect(action()).rejects.toMatchObject({ name: "UserError", message });
});
