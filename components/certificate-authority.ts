import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";

interface CertificateAuthorityArgs {
  /** derived private keys, PEM */
  readonly rootKeyPem: string;
  readonly intermediateKeyPem: string;
}

/**
 * The internal CA. The root's key never leaves the operator's machine: the VM holds an intermediate. After a rebuild
 * without state both certificates are new, but key and subject are the same, so clients that trust the old root trust
 * the new one.
 */
export class CertificateAuthority extends pulumi.ComponentResource {
  static readonly stage = 1;
  /** PEM; clients trust this */
  readonly rootCertificate: pulumi.Output<string>;
  readonly intermediateCertificate: pulumi.Output<string>;

  constructor(name: string, args: CertificateAuthorityArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:CertificateAuthority", name, {}, opts);
    const parent = { parent: this };
    const organization = "Foundation";
    const root = new tls.SelfSignedCert(
      "ca-root",
      {
        privateKeyPem: pulumi.secret(args.rootKeyPem),
        subject: { commonName: "Foundation Root CA", organization },
        ...AUTHORITY,
        setAuthorityKeyId: true,
        validityPeriodHours: 20 * YEAR_HOURS,
      },
      parent,
    );
    const request = new tls.CertRequest(
      "ca-intermediate-request",
      {
        privateKeyPem: pulumi.secret(args.intermediateKeyPem),
        subject: { commonName: "Foundation Intermediate CA", organization },
      },
      parent,
    );
    const intermediate = new tls.LocallySignedCert(
      "ca-intermediate",
      {
        certRequestPem: request.certRequestPem,
        caPrivateKeyPem: pulumi.secret(args.rootKeyPem),
        caCertPem: root.certPem,
        ...AUTHORITY,
        validityPeriodHours: 10 * YEAR_HOURS,
      },
      parent,
    );
    this.rootCertificate = root.certPem;
    this.intermediateCertificate = intermediate.certPem;
    this.registerOutputs({});
  }
}

const YEAR_HOURS = 365 * 24;

/** What the two certificates share. Renewal comes with the first `up` in the last two years of either. */
const AUTHORITY = {
  isCaCertificate: true,
  setSubjectKeyId: true,
  allowedUses: ["cert_signing", "crl_signing"],
  earlyRenewalHours: 2 * YEAR_HOURS,
};
