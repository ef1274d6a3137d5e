import * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { BackupSource } from "./backup-source.ts";
import type { PulledImage } from "./images.ts";
import { deliverFiles } from "./secret-files.ts";
import { service } from "./service.ts";
import { subnet } from "./topology.ts";
import type { Vm } from "./vm.ts";

interface VaultArgs {
  readonly vm: Vm;
  readonly image: PulledImage;
  readonly volumes: Readonly<Record<"vault-data" | "vault-logs", docker.Volume>>;
  /** whether a backup shares a network with it */
  readonly withBackup: boolean;
  readonly memoryMiB: number;
  readonly publicUrl: string;
}

/** The secret store: sealed after every start, which nothing else waits for. */
export class Vault extends pulumi.ComponentResource {
  static readonly stage = 2;
  readonly container: docker.Container;
  static readonly backup: BackupSource = {
    volumes: [
      { volume: "vault-data", by: "snapshot" },
      {
        volume: "vault-logs",
        by: "nothing",
        reason: "the audit log tells of this VM, and nothing is restored from it",
      },
    ],
  };

  constructor(name: string, args: VaultArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:Vault", name, {}, opts);
    const parent = { parent: this };
    const { vm } = args;
    const files = deliverFiles(
      name,
      vm,
      { owner: "100:1000", files: { "vault.hcl": vaultHcl(args.publicUrl, subnet(vm.subnetPrefix, "caddy-vault")) } },
      parent,
    );
    this.container = service(
      name,
      vm,
      {
        image: args.image,
        user: "100:1000",
        memoryMiB: args.memoryMiB,
        files,
        filesAt: "/vault/config",
        volumes: {
          "/vault/file": args.volumes["vault-data"],
          "/vault/logs": args.volumes["vault-logs"],
        },
        // A raft snapshot is unpacked here when it is restored.
        tmpfs: { "/tmp": "mode=1777,size=256m" },
        networks: [
          { network: "caddy-vault" },
          { network: "vault-loopback" },
          ...(args.withBackup ? [{ network: "vault-backup" as const }] : []),
        ],
        ports: [{ internal: 8200, external: 8200, ip: "127.0.0.1" }],
        environment: { VAULT_ADDR: "http://127.0.0.1:8200", SKIP_SETCAP: "true" },
        entrypoint: ["vault"],
        command: ["server", "-config=/vault/config"],
        // Some releases carry the capability on the binary and cannot even be executed without it.
        capabilities: ["CAP_IPC_LOCK"],
        // Healthy means that the process serves; sealed is a state to look at, not one to restart for.
        healthCommand: [
          "wget",
          "-q",
          "-O",
          "/dev/null",
          "http://127.0.0.1:8200/v1/sys/health?standbyok=true&sealedcode=200&uninitcode=200",
        ],
        graceSeconds: 30,
        startSeconds: 60,
      },
      parent,
    );
    this.registerOutputs({});
  }
}

interface VaultReadyArgs {
  readonly vm: Vm;
  readonly stack: string;
  readonly keyDirectory: string;
  readonly container: docker.Container;
  /** path below `auth/` of the login of jobs, and AppRoles, that the program configures; plain words */
  readonly jobLogin: string;
  readonly readers: readonly string[];
}

/** Vault initialised, unsealed and prepared by the helper, which alone handles the shares and the root token. */
export class VaultReady extends pulumi.ComponentResource {
  static readonly stage = 4;

  constructor(name: string, args: VaultReadyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("foundation:index:VaultReady", name, {}, opts);
    const { address, user, port, hostKey } = args.vm.target;
    new command.local.Command(
      "vault-ensure",
      {
        // None of these is secret; the helper finds the passphrase where Pulumi does.
        create:
          `node unseal-helper/main.ts ensure --stack '${args.stack}' --keys '${args.keyDirectory}'` +
          ` --host '${user}@${address}:${String(port)}' --host-key '${hostKey}'` +
          ` --job-login ${args.jobLogin} --remove-consumers --readers ${args.readers.join(",")}`,
        // A replaced container comes up sealed, and what follows needs it unsealed.
        triggers: [args.container.id],
        logging: "none",
        addPreviousOutputInEnv: false,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}

/** vault.hcl. Plain HTTP is safe only because nobody but the web server and the VM's loopback can reach it. */
export function vaultHcl(publicUrl: string, proxySubnet: string): string {
  return `ui            = true
disable_mlock = true
log_format    = "json"
api_addr      = "${publicUrl}"
cluster_addr  = "http://vault:8201"

storage "raft" {
  path    = "/vault/file"
  node_id = "vault-0"

  # The timing for good hardware; the default waits five times as long for an election that one node always wins.
  performance_multiplier = 1
}

listener "tcp" {
  address                               = "0.0.0.0:8200"
  tls_disable                           = true
  x_forwarded_for_authorized_addrs      = ["${proxySubnet}"]
  x_forwarded_for_reject_not_present    = false
  x_forwarded_for_reject_not_authorized = false
}
`;
}
