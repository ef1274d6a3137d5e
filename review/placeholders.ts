import { createHash } from "node:crypto";
import { PASSWORD, REMOTE } from "./policy/rule.ts";

/** Id of a VM that does not exist. */
export const VM_ID = "0123456789abcdef0123456789abcdef";
/** Id of the key of a repository that does not exist. */
export const KEY_ID = "ab".repeat(32);

/** Opens no account of any consumer at the forge. */
export const TOKEN = "0123456789abcdef0123456789abcdef01234567";

/** A certificate that certifies nothing, valid until 2126: the program reads those that a provider would compute. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBujCCAWGgAwIBAgIUOKqIDhY/mBpvlCR2EyL8nOeFxvcwCgYIKoZIzj0EAwIw
MjETMBEGA1UECgwKRm91bmRhdGlvbjEbMBkGA1UEAwwSRm91bmRhdGlvbiBSb290
IENBMCAXDTI2MTEyMTE5NTIwNloYDzIxMjYxMDI4MTk1MjA2WjAyMRMwEQYDVQQK
DApGb3VuZGF0aW9uMRswGQYDVQQDDBJGb3VuZGF0aW9uIFJvb3QgQ0EwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAAS6zi/kTVhaZB8oJfStEB6U04A3u3wf67NI72Nk
U1k+VnAjZKL5wON/LfAGmJPeYHIP3zxUTMD1B31tSu0JX9yWo1MwUTAdBgNVHQ4E
FgQUgIF0muH3OCkBcpT6QEVH6W8ge9YwHwYDVR0jBBgwFoAUgIF0muH3OCkBcpT6
QEVH6W8ge9YwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiA7uZUc
HOqMk1b0eMRY8euGp/QL52hQLO3C/YwExdcxngIgdywcgRRYdBqOtP2Vw7S5C9mH
VThYKuvJ9ofONWVqgTE=
-----END CERTIFICATE-----
`;

/** The value that stands for a generated credential: the same in every recording, and another for each name. */
export function generate(name: string): string {
  return createHash("sha512").update(name).digest("hex").slice(0, 40);
}

/** What stands for the outputs that a provider computes and the program uses. @param generated other credentials, by name */
export function computed(
  type: string,
  name: string,
  generated: Readonly<Record<string, string>> = {},
): Record<string, unknown> {
  switch (type) {
    case PASSWORD:
      return { result: generated[name] ?? generate(name) };
    case "tls:index/selfSignedCert:SelfSignedCert":
    case "tls:index/locallySignedCert:LocallySignedCert":
      return { certPem: CERTIFICATE };
    case "tls:index/certRequest:CertRequest":
      return { certRequestPem: "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n" };
    case REMOTE:
      if (/^consumer-.*-token$/.test(name)) return { stdout: `${TOKEN}\n`, stderr: "" };
      if (name === "vm-id") return { stdout: VM_ID, stderr: "" };
      return name === "offsite-server" ? { stdout: `${KEY_ID}\n`, stderr: "" } : {};
    default:
      return {};
  }
}
