import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import type { SshTarget } from "../ssh-target.ts";
import type { Repository } from "./repository.ts";
import { bundle } from "./secret-files.ts";
import { asRoot, oneAtATime, remote, script, type Vm } from "./vm.ts";

interface OffsiteArgs {
  /** the VM whose backups it takes */
  readonly vm: Vm;
  readonly vmId: pulumi.Output<string>;
  readonly target: SshTarget & { readonly restPort: number; readonly maxSizeBytes?: number };
  /** full references; the offsite pulls them itself */
  readonly images: { readonly restServer: string; readonly restic: string };
  /** interval of the backups; without any for twice as long, the offsite raises an alarm */
  readonly everyMinutes: number;
  readonly keys: DerivedKeys;
  /** of the root, PEM */
  readonly caCertificate: pulumi.Output<string>;
}

interface DerivedKeys {
  readonly offsite: {
    readonly username: string;
    readonly password: (vmId: string) => string;
    readonly serverKeyPem: string;
  };
  readonly restic: { readonly password: string };
  readonly ca: { readonly rootKeyPem: string };
}

/**
 * The second host: restic's REST server, which takes in and gives out and never forgets. What is on it is found again
 * by every `up`, so nothing is lost with Pulumi's state. No delete: it holds the only copy when the VM is gone.
 */
export class Offsite extends pulumi.ComponentResource {
  static readonly stage = 2;
  readonly repository: Repository;
  /** the server runs and the repository is there */
  readonly ready: pulumi.Resource;

  constructor(name: string, args: OffsiteArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Offsite", name, {}, opts);
    const { images, keys, target, vm, vmId } = args;
    const host: Vm = { ...vm, target };
    const port = String(target.restPort);
    const common = [vm.ownerId, port, images.restServer, images.restic];
    // Waits for nothing of the VM, so the two are set up at the same time.
    const setup = remote(
      "offsite-setup",
      host,
      {
        create: asRoot(host, 900, [...oneAtATime("offsite-setup"), "bash", "-s", "--", ...common]),
        stdin: offsiteInstaller(vm.scripts),
      },
      { parent: this, customTimeouts: { create: "20m", update: "20m" } },
    );
    const password = pulumi.secret(vmId.apply(keys.offsite.password));
    const files = pulumi.secret(
      pulumi.output({
        "cert.pem": this.certificate(args),
        "key.pem": keys.offsite.serverKeyPem,
        password: pulumi.interpolate`${password}\n`,
        restic_password: `${keys.restic.password}\n`,
        vm_id: vmId,
      }),
    );
    const served = script(
      "offsite-server",
      host,
      {
        script: "offsite",
        args: ["serve", ...common, String(target.maxSizeBytes ?? 0), String(args.everyMinutes)],
        stdin: files.apply(bundle),
        timeoutSeconds: 300,
      },
      { parent: this, dependsOn: [setup] },
    );
    this.ready = served;
    this.repository = {
      url: repositoryUrl(target.address, target.restPort, keys.offsite.username),
      username: keys.offsite.username,
      password,
      keyHint: served.stdout.apply((id) => id.trim()),
      caCertificate: args.caCertificate,
    };
    this.registerOutputs({});
  }

  private certificate({ caCertificate, keys, target: { address } }: OffsiteArgs): pulumi.Output<string> {
    const names = /^[\d.]+$/.test(address) ? { ipAddresses: [address] } : { dnsNames: [address] };
    const privateKeyPem = pulumi.secret(keys.offsite.serverKeyPem);
    const request = new tls.CertRequest(
      "offsite-request",
      { privateKeyPem, subject: { commonName: "Foundation offsite", organization: "Foundation" }, ...names },
      { parent: this },
    );
    return new tls.LocallySignedCert(
      "offsite-certificate",
      {
        certRequestPem: request.certRequestPem,
        caPrivateKeyPem: pulumi.secret(keys.ca.rootKeyPem),
        caCertPem: caCertificate,
        allowedUses: ["digital_signature", "server_auth"],
        setSubjectKeyId: true,
        validityPeriodHours: 10 * YEAR_HOURS,
        earlyRenewalHours: 2 * YEAR_HOURS,
      },
      { parent: this },
    ).certPem;
  }
}

const YEAR_HOURS = 365 * 24;

/** The repository as restic's `-r` takes it. */
export function repositoryUrl(address: string, port: number, username: string): string {
  return `rest:https://${address}:${String(port)}/${username}/`;
}

/** The text that prepares the second host; as for the VM, one text for everything that it needs there. */
export function offsiteInstaller(scripts: Vm["scripts"]): string {
  const embedded = `where=offsite\noffsite=$(cat <<'END_OF_SCRIPT'\n${scripts.offsite}END_OF_SCRIPT\n)\n`;
  return `${scripts.host}\n${embedded}${scripts["offsite-setup"]}setup_offsite "$@" </dev/null\n`;
}
