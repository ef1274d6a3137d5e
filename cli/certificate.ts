import { createPublicKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { EXIT, UserError } from "../errors.ts";
import type { Http } from "./http.ts";

/** Where the CA certificate comes from. */
export interface CertificateSource {
  /** `--ca`: a PEM file that is trusted as it is */
  readonly file?: string | undefined;
  /** host name of the landing page, which serves the certificate over plain HTTP */
  readonly home: string;
  /** derived private key of the internal CA, PEM; what is served has to belong to it */
  readonly rootKeyPem: string;
}

/**
 * The certificate of the internal CA.
 *
 * It comes over a connection that nothing protects, and is proven by its key: only the holder of the key file can
 * derive that, so a certificate for it is ours whoever handed it over.
 *
 * @returns PEM
 */
export async function fetchCertificate(http: Http, source: CertificateSource): Promise<string> {
  if (source.file !== undefined) return readCertificate(source.file);
  const url = `http://${source.home}/ca.crt`;
  const { status, body } = await http("GET", url);
  if (status !== 200) {
    throw new UserError(`${url}: HTTP ${status}`, "is the foundation deployed? pulumi up; or name the file: --ca FILE");
  }
  const certificate = parseCertificate(url, body);
  const expected = createPublicKey(source.rootKeyPem);
  if (!certificate.publicKey.equals(expected) || !certificate.verify(expected)) {
    throw new UserError(
      `${url}: not the certificate of this foundation's CA`,
      "somebody else answers under that name, or the key file is another foundation's: check DNS and --stack",
      EXIT.refused,
    );
  }
  return certificate.toString();
}

function readCertificate(file: string): string {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    throw new UserError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`, "--ca FILE", EXIT.usage);
  }
  return parseCertificate(file, content).toString();
}

function parseCertificate(where: string, content: Buffer): X509Certificate {
  try {
    return new X509Certificate(content);
  } catch {
    throw new UserError(`${where}: not a certificate in PEM`, "--ca FILE names the right one", EXIT.usage);
  }
}
