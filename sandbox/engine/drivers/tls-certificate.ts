import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { createHash, randomBytes, webcrypto } from "node:crypto";
import { UserError } from "../../../errors.ts";
import { text, type Created } from "../driver.ts";
import { isRecord, type Properties, type Value } from "../values.ts";
import { KEY_ALGORITHM, readKeyPair, type KeyPair } from "./tls-keys.ts";

// The work behind the tls drivers. In a module of its own because the library is loaded only when a certificate is made.

const KEY_USAGES: Readonly<Record<string, x509.KeyUsageFlags>> = {
  digital_signature: x509.KeyUsageFlags.digitalSignature,
  content_commitment: x509.KeyUsageFlags.nonRepudiation,
  key_encipherment: x509.KeyUsageFlags.keyEncipherment,
  data_encipherment: x509.KeyUsageFlags.dataEncipherment,
  key_agreement: x509.KeyUsageFlags.keyAgreement,
  cert_signing: x509.KeyUsageFlags.keyCertSign,
  crl_signing: x509.KeyUsageFlags.cRLSign,
  encipher_only: x509.KeyUsageFlags.encipherOnly,
  decipher_only: x509.KeyUsageFlags.decipherOnly,
};

const EXTENDED_KEY_USAGES: Readonly<Record<string, string>> = {
  any_extended: "2.5.29.37.0",
  server_auth: "1.3.6.1.5.5.7.3.1",
  client_auth: "1.3.6.1.5.5.7.3.2",
  code_signing: "1.3.6.1.5.5.7.3.3",
  email_protection: "1.3.6.1.5.5.7.3.4",
  timestamping: "1.3.6.1.5.5.7.3.8",
  ocsp_signing: "1.3.6.1.5.5.7.3.9",
};

/** Object identifier of the extension subjectAltName. */
const ALTERNATIVE_NAMES = "2.5.29.17";

/** Who signs: a key, the name of its owner and, where there is one, the id of the key. */
interface Signer {
  readonly keys: KeyPair;
  readonly name: x509.Name;
  readonly keyId: string | undefined;
}

/** tls:index/certRequest:CertRequest. */
export async function createRequest(inputs: Properties, label: string): Promise<Created> {
  const keys = await readKeyPair(text(inputs["privateKeyPem"]), `${label}: privateKeyPem`);
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    {
      name: subjectName(inputs["subject"], label),
      keys,
      signingAlgorithm: { name: "ECDSA", hash: keys.hash },
      extensions: alternativeNames(inputs),
    },
    webcrypto,
  );
  const id = createHash("sha1").update(Buffer.from(request.rawData)).digest("hex");
  return { id, outputs: { certRequestPem: pem(request), keyAlgorithm: KEY_ALGORITHM } };
}

/** tls:index/selfSignedCert:SelfSignedCert. */
export async function createSelfSigned(inputs: Properties, label: string): Promise<Created> {
  const keys = await readKeyPair(text(inputs["privateKeyPem"]), `${label}: privateKeyPem`);
  const name = subjectName(inputs["subject"], label);
  const hasKeyId = inputs["isCaCertificate"] === true || inputs["setSubjectKeyId"] === true;
  const keyId = hasKeyId && inputs["setAuthorityKeyId"] === true ? await keyIdOf(keys.publicKey) : undefined;
  const extensions = alternativeNames(inputs);
  const created = await sign({ keys, name, keyId }, name, keys.publicKey, extensions, inputs, label);
  return { ...created, outputs: { ...created.outputs, keyAlgorithm: KEY_ALGORITHM } };
}

/** tls:index/locallySignedCert:LocallySignedCert. */
export async function createLocallySigned(inputs: Properties, label: string): Promise<Created> {
  const request = parse(`${label}: certRequestPem`, () => {
    return new x509.Pkcs10CertificateRequest(text(inputs["certRequestPem"]));
  });
  const authority = parse(`${label}: caCertPem`, () => new x509.X509Certificate(text(inputs["caCertPem"])));
  const keys = await readKeyPair(text(inputs["caPrivateKeyPem"]), `${label}: caPrivateKeyPem`);
  const keyId = authority.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  const names = request.getExtension(ALTERNATIVE_NAMES);
  const publicKey = (await request.publicKey.export(webcrypto)) as webcrypto.CryptoKey;
  const signer = { keys, name: authority.subjectName, keyId };
  const created = await sign(signer, request.subjectName, publicKey, names ? [names] : [], inputs, label);
  return { ...created, outputs: { ...created.outputs, caKeyAlgorithm: KEY_ALGORITHM } };
}

async function sign(
  signer: Signer,
  subject: x509.Name,
  publicKey: webcrypto.CryptoKey,
  extensions: x509.Extension[],
  inputs: Properties,
  label: string,
): Promise<Created> {
  const notBefore = new Date(Math.floor(Date.now() / 1000) * 1000);
  const notAfter = new Date(notBefore.getTime() + Number(inputs["validityPeriodHours"]) * 3_600_000);
  // a leading zero bit: the number is positive, and as long as the standard allows
  const serial = Buffer.concat([Buffer.of(0x7f & (randomBytes(1)[0] ?? 0)), randomBytes(15)]);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serial.toString("hex"),
      ...{ subject, issuer: signer.name, notBefore, notAfter, publicKey, signingKey: signer.keys.privateKey },
      signingAlgorithm: { name: "ECDSA", hash: signer.keys.hash },
      extensions: [
        ...usages(inputs["allowedUses"], label),
        ...(await identity(signer, publicKey, inputs)),
        ...extensions,
      ],
    },
    webcrypto,
  );
  const time = (date: Date): string => date.toISOString().replace(".000Z", "Z");
  return {
    id: BigInt(`0x${certificate.serialNumber}`).toString(),
    outputs: {
      certPem: pem(certificate),
      readyForRenewal: false,
      validityStartTime: time(notBefore),
      validityEndTime: time(notAfter),
    },
  };
}

async function identity(signer: Signer, publicKey: webcrypto.CryptoKey, inputs: Properties): Promise<x509.Extension[]> {
  const isAuthority = inputs["isCaCertificate"] === true;
  const extensions: x509.Extension[] = [new x509.BasicConstraintsExtension(isAuthority, undefined, true)];
  if (isAuthority || inputs["setSubjectKeyId"] === true) {
    extensions.push(new x509.SubjectKeyIdentifierExtension(await keyIdOf(publicKey)));
  }
  if (signer.keyId !== undefined) extensions.push(new x509.AuthorityKeyIdentifierExtension(signer.keyId));
  return extensions;
}

function usages(allowed: Value | undefined, label: string): x509.Extension[] {
  const names = Array.isArray(allowed) ? allowed.map(text) : [];
  const unknown = names.filter((name) => !(name in KEY_USAGES) && !(name in EXTENDED_KEY_USAGES));
  if (unknown.length > 0) {
    const known = [...Object.keys(KEY_USAGES), ...Object.keys(EXTENDED_KEY_USAGES)];
    throw new UserError(`${label}: allowedUses: unknown: ${unknown.join(", ")}`, `known are ${known.join(", ")}`);
  }
  const flags = names.reduce((sum, name) => sum | (KEY_USAGES[name] ?? 0), 0);
  const extended = names.flatMap((name) => EXTENDED_KEY_USAGES[name] ?? []);
  return [
    ...(flags === 0 ? [] : [new x509.KeyUsagesExtension(flags, true)]),
    ...(extended.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension(extended)]),
  ];
}

/** SHA-1 of the public key's bits, in hexadecimal. */
async function keyIdOf(publicKey: webcrypto.CryptoKey): Promise<string> {
  return (await x509.SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto)).keyId;
}

function alternativeNames({ dnsNames, ipAddresses }: Properties): x509.Extension[] {
  const typed = (type: "dns" | "ip", values: Value | undefined) =>
    Array.isArray(values) ? values.map((value) => ({ type, value: text(value) })) : [];
  const names = [...typed("dns", dnsNames), ...typed("ip", ipAddresses)];
  return names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)];
}

function subjectName(subject: Value | undefined, label: string): x509.Name {
  const given = isRecord(subject) ? subject : {};
  const unknown = Object.keys(given).filter((key) => !["commonName", "organization"].includes(key));
  if (unknown.length > 0) {
    throw new UserError(
      `${label}: subject: the sandbox's engine does not know ${unknown.join(", ")}`,
      "use commonName and organization only",
    );
  }
  const part = (key: string, value: string): x509.JsonName => (value === "" ? [] : [{ [key]: [value] }]);
  return new x509.Name([...part("O", text(given["organization"])), ...part("CN", text(given["commonName"]))]);
}

function pem(data: { toString(format: "pem"): string }): string {
  return `${data.toString("pem")}\n`;
}

function parse<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch {
    throw new UserError(`${where}: cannot be read`, "it has to be one PEM block");
  }
}
