import "reflect-metadata"; // first: the next import needs it
import { BasicConstraintsExtension, SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";
import { createPrivateKey, webcrypto, type KeyObject } from "node:crypto";

/** A certificate with its private key, PEM. */
export interface Issued {
  readonly certificate: string;
  readonly privateKey: string;
}

/** A self-signed CA over a given P-256 key, as the foundation makes one. */
export async function issueAuthority(privateKeyPem: string): Promise<Issued> {
  const keys = await importKeys(createPrivateKey(privateKeyPem));
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...validity(),
    name: "CN=Test CA",
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return { certificate: certificate.toString("pem"), privateKey: privateKeyPem };
}

/** A server certificate for a name, signed by a CA. */
export async function issueServer(authority: Issued, name: string): Promise<Issued> {
  const signingKey = (await importKeys(createPrivateKey(authority.privateKey))).privateKey;
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.create({
    ...validity(),
    issuer: "CN=Test CA",
    subject: `CN=${name}`,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: ALGORITHM,
    extensions: [new SubjectAlternativeNameExtension([{ type: "dns", value: name }])],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  const privateKey = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  return {
    certificate: certificate.toString("pem"),
    privateKey: privateKey.export({ format: "pem", type: "pkcs8" }) as string,
  };
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

function validity() {
  const day = 24 * 60 * 60 * 1000;
  return { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 30.5 * day) };
}

async function importKeys(key: KeyObject): Promise<webcrypto.CryptoKeyPair> {
  const jwk = key.export({ format: "jwk" });
  const { d: _d, ...publicJwk } = jwk;
  return {
    privateKey: await webcrypto.subtle.importKey("jwk", jwk, ALGORITHM, true, ["sign"]),
    publicKey: await webcrypto.subtle.importKey("jwk", publicJwk, ALGORITHM, true, ["verify"]),
  };
}
