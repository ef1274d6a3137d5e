import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import { sshOptions, type SshTarget } from "../ssh-target.ts";

/** Scripts of components/scripts that run on the VM, by file name. */
export const SCRIPTS = [
  "firewall",
  "forgejo-actions",
  "forgejo-admin",
  "forgejo-api",
  "forgejo-consumer",
  "forgejo-gc",
  "forgejo-runner",
  "forgejo-token",
  "host",
  "install-files",
  "offsite",
  "offsite-setup",
  "postgres-database",
  "postgres-reader",
  "postgres-superuser",
  "runner-rootless",
  "s3-api",
  "s3-bucket",
  "s3-consumer",
  "seed",
] as const;

/** Name of a script of components/scripts. */
export type ScriptName = (typeof SCRIPTS)[number];

/** Where the host stage puts the scripts; every later command calls them there by name. */
export const SCRIPT_DIRECTORY = "/usr/local/lib/foundation";

/** The VM and what every component needs to know of it. */
export interface Vm {
  readonly target: SshTarget;
  /** public id of this foundation; the label `foundation.owner` on everything it creates */
  readonly ownerId: string;
  /** HMAC key for fingerprints of delivered files */
  readonly fingerprintKey: Buffer;
  readonly scripts: Readonly<Record<ScriptName, string>>;
  /** first two octets of the networks' addresses */
  readonly subnetPrefix: string;
}

/** The one Docker provider. It dials nothing before the first operation, so a preview works with the VM down. */
export function dockerProvider({ target }: Vm): docker.Provider {
  return new docker.Provider("vm", {
    host: `ssh://${target.user}@${target.address}:${String(target.port)}`,
    sshOpts: sshOptions(target),
  });
}

/** A label as the Docker provider wants it, on everything that this foundation owns. */
export function ownerLabel(vm: Vm): { label: string; value: string } {
  return { label: "foundation.owner", value: vm.ownerId };
}

interface RemoteArgs {
  /** complete command line; must not hold a secret, it is shown when it fails */
  readonly create: string;
  readonly stdin?: pulumi.Input<string>;
  readonly triggers?: pulumi.Input<string>[];
}

/**
 * A command on the VM, over SSH with the pinned host key.
 *
 * - `logging: none`: one output line above 64 KiB would otherwise hang the provider for ever.
 * - The private key comes from the operator's agent at run time; nothing of it is recorded.
 * - No `delete`: it would run against the address recorded in state, which may be gone.
 */
export function remote(
  name: string,
  vm: Vm,
  args: RemoteArgs,
  opts: pulumi.CustomResourceOptions,
): command.remote.Command {
  const { address, user, port, hostKey } = vm.target;
  return new command.remote.Command(
    name,
    {
      connection: { host: address, port, user, hostKey, dialErrorLimit: 5, perDialTimeout: 15 },
      create: args.create,
      stdin: args.stdin,
      triggers: args.triggers,
      logging: "none",
      addPreviousOutputInEnv: false,
    },
    { ...opts, additionalSecretOutputs: ["stdout", "stderr"] },
  );
}

interface ScriptArgs {
  readonly script: ScriptName;
  /** plain words: letters, digits and `@._:/+-` */
  readonly args: readonly string[];
  readonly stdin?: pulumi.Input<string>;
  readonly timeoutSeconds: number;
  readonly triggers?: pulumi.Input<string>[];
}

/** Runs an installed script on the VM; again whenever the script, its arguments or its input change. */
export function script(name: string, vm: Vm, args: ScriptArgs, opts: pulumi.CustomResourceOptions) {
  return remote(
    name,
    vm,
    {
      create: asRoot(vm, args.timeoutSeconds, [
        ...(TAKES_OVER.has(args.script) ? [] : oneAtATime(args.script)),
        `${SCRIPT_DIRECTORY}/${args.script}`,
        ...args.args,
      ]),
      stdin: args.stdin,
      triggers: [digest(textOf(vm, args.script)), ...(args.triggers ?? [])],
    },
    opts,
  );
}

/** A script with what it sources. */
function textOf({ scripts }: Vm, name: ScriptName): string {
  const source = SCRIPTS.find((other) => new RegExp(`^\\. .*/${other}\\}"$`, "m").test(scripts[name]));
  return scripts[name] + (source === undefined ? "" : scripts[source]);
}

/** Scripts that end an earlier run of theirs instead of waiting for it: it may have hours to go. */
const TAKES_OVER: ReadonlySet<ScriptName> = new Set(["seed"]);

/**
 * Words that go before a command of which only one may run on the host. When the operator's side is killed, the VM's goes
 * on for a while; the next `up` waits for its end, where apt-get would fail at its lock, or a user be created twice.
 */
export function oneAtATime(name: ScriptName): string[] {
  return ["flock", "--close", `/run/foundation-${name}.lock`];
}

/** Command line that runs as root and is bounded in time: the provider itself would wait for ever. */
export function asRoot(vm: Vm, timeoutSeconds: number, argv: readonly string[]): string {
  for (const word of argv) {
    if (!/^[\w@.:/+-]+$/.test(word)) throw new Error(`not a plain word for a shell: ${word}`);
  }
  const sudo = vm.target.user === "root" ? [] : ["sudo", "-n"];
  return [...sudo, "timeout", String(timeoutSeconds), ...argv].join(" ");
}

/** First 16 hex digits of the SHA-256: enough to see a change, short enough to read in a preview. */
export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
