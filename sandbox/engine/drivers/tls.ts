import { text, type Created, type Driver } from "../driver.ts";
import type { Properties } from "../values.ts";

const CERTIFICATE_INPUTS = ["allowedUses", "validityPeriodHours", "isCaCertificate", "setSubjectKeyId"];
const REQUEST_INPUTS = ["privateKeyPem", "subject", "dnsNames", "ipAddresses"];
const AUTHORITY_INPUTS = ["caCertPem", "caPrivateKeyPem", "certRequestPem"];
/** Says when the certificate is to be made anew; changing it changes nothing about the one there is. */
const RENEWAL_INPUT = "earlyRenewalHours";

type Make = (inputs: Properties, label: string) => Promise<Created>;

/** tls:index/certRequest:CertRequest. */
export const certRequest: Driver = {
  inputs: REQUEST_INPUTS,
  replaceOn: REQUEST_INPUTS,
  secretOutputs: ["privateKeyPem"],
  create: async (inputs, { label }) => (await import("./tls-certificate.ts")).createRequest(inputs, label),
};

/** tls:index/selfSignedCert:SelfSignedCert. */
export const selfSignedCert: Driver = certificate(
  [...REQUEST_INPUTS, ...CERTIFICATE_INPUTS, "setAuthorityKeyId"],
  ["privateKeyPem"],
  async (inputs, label) => (await import("./tls-certificate.ts")).createSelfSigned(inputs, label),
);

/** tls:index/locallySignedCert:LocallySignedCert. */
export const locallySignedCert: Driver = certificate(
  [...AUTHORITY_INPUTS, ...CERTIFICATE_INPUTS],
  ["caPrivateKeyPem"],
  async (inputs, label) => (await import("./tls-certificate.ts")).createLocallySigned(inputs, label),
);

function certificate(inputs: readonly string[], secretOutputs: readonly string[], make: Make): Driver {
  return {
    inputs: [...inputs, RENEWAL_INPUT],
    replaceOn: inputs,
    secretOutputs,
    isDue({ inputs: { earlyRenewalHours }, outputs: { validityEndTime } }) {
      const end = Date.parse(text(validityEndTime)) - Number(earlyRenewalHours ?? 0) * 3_600_000;
      return end <= Date.now() ? "it is due for renewal" : undefined;
    },
    create: (args, { label }) => make(args, label),
    update: (existing) => Promise.resolve(existing.outputs),
  };
}
