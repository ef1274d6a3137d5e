import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import type { BackupSource } from "./backup-source.ts";
import type { PulledImage } from "./images.ts";
import { deliverFiles } from "./secret-files.ts";
import { service } from "./service.ts";
import { script, type Vm } from "./vm.ts";

interface RunnerArgs {
  readonly vm: Vm;
  readonly image: PulledImage;
  readonly volume: docker.Volume;
  readonly memoryMiB: number;
  /** public host name of the forge */
  readonly site: string;
  /** owner of the repositories whose jobs it takes */
  readonly forge: { readonly organisation: string };
  readonly caCertificate: pulumi.Input<string>;
  readonly credentials: Readonly<Record<"runner-secret", pulumi.Input<string>>>;
}

/**
 * The Actions runner. It has one network, and from there reaches only what everybody outside reaches. It runs jobs in
 * its own container and has no container engine; until jobs are isolated from it, it is off unless asked for.
 */
export class Runner extends pulumi.ComponentResource {
  // After the web server, through which alone it reaches the forge.
  static readonly stage = 7;
  static readonly backup: BackupSource = {
    volumes: [
      { volume: "runner-data", by: "nothing", reason: "working copies of jobs; the forge keeps what they made" },
    ],
  };

  constructor(name: string, args: RunnerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Runner", name, {}, opts);
    const parent = { parent: this };
    const { vm } = args;
    const secret = pulumi.output(args.credentials["runner-secret"]).apply(runnerSecret);
    const registration = script(
      `${name}-registration`,
      vm,
      {
        script: "forgejo-runner",
        args: [args.forge.organisation],
        stdin: pulumi.interpolate`${secret}\n`,
        timeoutSeconds: 60,
      },
      parent,
    );
    const files = deliverFiles(
      name,
      vm,
      {
        owner: "1000:1000",
        files: {
          "ca.crt": args.caCertificate,
          "config.yml": secret.apply((value) => runnerConfig(`https://${args.site}`, runnerUuid(value))),
          token: secret,
        },
      },
      parent,
    );
    service(
      name,
      vm,
      {
        ...SERVICE,
        image: args.image,
        memoryMiB: args.memoryMiB,
        files,
        volumes: { "/data": args.volume },
      },
      { ...parent, dependsOn: [registration] },
    );
    this.registerOutputs({});
  }
}

/** What is the same in every foundation. */
const SERVICE = {
  user: "1000:1000",
  filesAt: "/etc/foundation",
  tmpfs: { "/tmp": "mode=1777,size=256m" },
  networks: [{ network: "runner-caddy" }],
  environment: { SSL_CERT_FILE: "/etc/foundation/ca.crt" },
  command: ["/bin/forgejo-runner", "daemon", "--config", "/etc/foundation/config.yml"],
  healthCommand: ["pgrep", "-f", "forgejo-runner daemon"],
  // A job that runs gets shutdown_timeout to end.
  graceSeconds: 90,
  startSeconds: 60,
} as const;

/** 40 hex digits, the form of a registration secret, out of a random password. */
function runnerSecret(password: string): string {
  return createHash("sha256").update(password).digest("hex").slice(0, 40);
}

/** The forge's id of a runner: the first 16 characters of its secret, as ASCII in the form of a UUID. */
export function runnerUuid(secret: string): string {
  const hex = Buffer.from(secret.slice(0, 16)).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** config.yml of the runner. */
export function runnerConfig(forgeUrl: string, uuid: string): string {
  return `log:
  level: info
runner:
  capacity: 1
  timeout: 3h
  shutdown_timeout: 1m
cache:
  enabled: false
server:
  connections:
    foundation:
      url: ${forgeUrl}
      uuid: ${uuid}
      token_url: file:/etc/foundation/token
      labels:
        - host:host
`;
}
