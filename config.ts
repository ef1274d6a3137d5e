import { readFileSync } from "node:fs";
import { completeConsumers, judgeConsumers, type Consumer } from "./config-consumers.ts";
import { describeIssue, removal, setting, type Problem } from "./config-problems.ts";
import { RESERVED_FORGE_NAMES, schemaFor, type Parsed } from "./config-schema.ts";
import { EXIT, UserError } from "./errors.ts";
import { IMAGES, type ImageName } from "./images.ts";
import { passphraseFrom } from "./keys/passphrase.ts";
import { SIZES, type Size, type Sizing } from "./sizing.ts";
import type { SshTarget } from "./ssh-target.ts";

/** Host names under which the foundation is reached. */
export interface Sites {
  /** landing page */
  readonly home: string;
  readonly git: string;
  readonly vault: string;
  readonly s3: string;
}

/** Where certificates come from. File paths are paths on the VM. */
export type Tls =
  | { readonly mode: "internal" }
  | { readonly mode: "acme"; readonly email: string; readonly directory: string }
  | { readonly mode: "files"; readonly certificate: string; readonly key: string };

/** Where jobs run: in rootless containers under a user of their own, or in the runner's own container. */
export type Isolation = "rootless" | "container";

/** The second host, on which the backups are kept. */
export interface Offsite extends SshTarget {
  /** TCP port of the REST server */
  readonly restPort: number;
  /** more than this it does not take in */
  readonly maxSizeBytes?: number;
}

/** A restic repository that somebody else keeps, in place of a second host. Whoever has the VM can delete what is in it. */
export interface Repository {
  /** as restic takes it: `s3:https://HOST/BUCKET/PATH` */
  readonly repository: string;
  readonly accessKeyId: string;
  /** absent where Pulumi has not decrypted it, as in commands */
  readonly secretAccessKey?: string;
  readonly region: string;
}

/** The whole, validated configuration of one stack. Nothing else in the program reads configuration. */
export interface Config {
  readonly domain: string;
  readonly sites: Sites;
  readonly host: SshTarget;
  readonly tls: Tls;
  readonly offsite: Offsite | Repository | "none";
  readonly forge: {
    readonly admin: string;
    readonly adminEmail: string;
    readonly organisation: string;
    readonly sshPort: number;
    /** name of the repository that `foundation up` keeps this project in; `none` where it is kept elsewhere */
    readonly repository: string;
    /** public key that may read that repository, without a comment */
    readonly deployKey?: string | undefined;
  };
  readonly size: Size;
  readonly sizing: Sizing;
  readonly backup: { readonly everyMinutes: number };
  /** what empty volumes are filled with: `auto` (newest backup, if there is one), `fresh`, a snapshot id, an ISO time */
  readonly seed: string;
  /** full references `repo:tag@sha256:…`, after overrides and mirror */
  readonly images: Readonly<Record<ImageName, string>>;
  readonly runner: { readonly enabled: boolean; readonly isolation: Isolation };
  /** tenants: what each is granted */
  readonly consumers: readonly Consumer[];
  /** IPv4 /16 from which the Docker networks get their subnets, without the last two octets: `172.30` */
  readonly subnetPrefix: string;
  /** directory of the key and share files, relative to the project directory */
  readonly keyDirectory: string;
  /** local port of the tunnel to Vault; stored in state, so it is fixed per stack */
  readonly vaultTunnelPort: number;
  /** written by `foundation drill --from-scratch` alone: begins with the newest backup and has no effect outside of the host */
  readonly drill?: Drill;
}

/** A foundation that a drill brings back beside the real one. */
export interface Drill {
  /** the VM whose access to the second host it reads the backups by; a repository elsewhere does not tell VMs apart */
  readonly asVm?: string;
  /** id of the repository's key that restic tries first */
  readonly keyHint?: string;
}

/**
 * Validates the `foundation:*` configuration and fills in what follows from it.
 *
 * @param raw values by key without the `foundation:` prefix; strings, or what their JSON holds
 * @throws UserError (exit code 78) that names every problem: path, value, and the command that fixes it
 */
export function parseConfig(raw: Record<string, unknown>): Config {
  const parsed = schemaFor(raw).safeParse(raw, { reportInput: true });
  const problems = parsed.success ? contradictions(parsed.data) : parsed.error.issues.flatMap(describeIssue);
  if (problems.length > 0 || !parsed.success) {
    throw new UserError(
      problems.map((problem) => problem.message).join("\n"),
      [...new Set(problems.map((problem) => problem.hint))].join("\n"),
      EXIT.config,
    );
  }
  return complete(parsed.data);
}

/** Endings of names that no public authority certifies. */
const NOT_PUBLIC = /\.(test|local|internal|localhost|invalid|example|lan|home\.arpa)$/;

/** Values that are each right and cannot hold together. */
function contradictions(config: Parsed): Problem[] {
  const problems: Problem[] = [];
  const refuse = (path: string, what: string, hint = setting(path)): void => {
    problems.push({ message: `config foundation:${path}: ${what}`, hint });
  };
  const { forge, host, tls } = config;
  const offsite = typeof config.offsite === "object" && "address" in config.offsite ? config.offsite : undefined;
  if (forge.sshPort === host.port) refuse("forge.sshPort", `is the VM's own SSH port: ${String(forge.sshPort)}`);
  if (forge.sshPort === 80 || forge.sshPort === 443)
    refuse("forge.sshPort", `is a port of the web server: ${String(forge.sshPort)}`);
  if (forge.sshPort === 8200) refuse("forge.sshPort", "is the port of Vault on the VM's loopback: 8200");
  if (forge.admin === forge.organisation)
    refuse("forge.organisation", `has the name of the admin user: ${forge.organisation}`);
  if (offsite?.address === host.address)
    refuse("offsite.address", `is the VM itself, a backup there is lost with it: ${offsite.address}`);
  if (offsite?.hostKey === host.hostKey && offsite.address !== host.address)
    refuse("offsite.hostKey", "is the VM's own host key, so both names are one machine");
  if (offsite !== undefined && offsite.restPort === offsite.port)
    refuse("offsite.restPort", `is the offsite's own SSH port: ${String(offsite.port)}`);
  const names = siteNames(config);
  if (typeof config.offsite === "object" && "repository" in config.offsite) {
    const { hostname } = new URL(config.offsite.repository.slice("s3:".length));
    const own = [host.address, ...Object.values<string>({ ...names }), "localhost", "rustfs"];
    if (own.includes(hostname) || hostname.startsWith("127."))
      refuse("offsite.repository", `is on the VM itself, a backup there is lost with it: ${hostname}`);
  }
  const secluded = Object.values<string>({ ...names }).find((name) => NOT_PUBLIC.test(name));
  if (tls.mode === "acme" && secluded !== undefined)
    refuse("tls.mode", `acme cannot certify a name that is not public: ${secluded}`);
  if (tls.mode === "files" && dirname(tls.certificate) !== dirname(tls.key))
    refuse("tls.key", `is not in the certificate's directory ${dirname(tls.certificate)}: ${tls.key}`);
  const sites = Object.entries(names);
  for (const [index, [site, name]] of sites.entries()) {
    const earlier = sites.slice(0, index).find(([, other]) => other === name)?.[0];
    if (earlier === undefined) continue;
    // Of the two, the one that was set can be taken back; the other follows from the domain.
    const [given, other] = site in config.sites ? [site, earlier] : [earlier, site];
    refuse(`sites.${given}`, `is also the name of ${other}: ${name}`, removal(`sites.${given}`));
  }
  const prefix = config.subnet.replace(/0\.0\/16$/, "");
  if (prefix === "172.17.") refuse("subnet", `is Docker's own network: ${config.subnet}`);
  for (const address of [host.address, offsite?.address ?? ""])
    if (address.startsWith(prefix))
      refuse("subnet", `has ${address} in it`, "pulumi config set foundation:subnet 10.213.0.0/16");
  for (const what of drillContradictions(config)) refuse("drill", what, removal("drill"));
  judgeConsumers(config.consumers, { forge, reservedForgeNames: RESERVED_FORGE_NAMES }, refuse);
  const minutes = toMinutes(config.backup.every);
  if (minutes < 5 || minutes > 24 * 60) refuse("backup.every", `is not between 5m and 24h: ${config.backup.every}`);
  return problems;
}

/** What a foundation beside the real one must not do. */
function drillContradictions({ drill, offsite, runner, seed, tls }: Parsed): string[] {
  if (drill === undefined) return [];
  return [
    ...(offsite === "none" ? ["there is no backup to begin with: offsite is none"] : []),
    ...(typeof offsite === "object" && "address" in offsite && drill.asVm === undefined
      ? ["the offsite gives its backups to a VM only, and asVm names none"]
      : []),
    ...(tls.mode === "internal" ? [] : [`must not ask for certificates: tls.mode is ${tls.mode}`]),
    ...(runner.enabled ? ["must not run the jobs of the real one: runner.enabled is true"] : []),
    ...(seed === "fresh" ? ["begins with a backup: seed is fresh"] : []),
  ];
}

const dirname = (path: string): string => path.slice(0, path.lastIndexOf("/"));
const UNIT_BYTES = { M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const toBytes = (size: string): number => parseInt(size, 10) * UNIT_BYTES[size.at(-1) as keyof typeof UNIT_BYTES];
const toMinutes = (interval: string): number => parseInt(interval, 10) * (interval.endsWith("h") ? 60 : 1);

function siteNames({ domain, sites }: Pick<Parsed, "domain" | "sites">): Sites {
  return {
    home: sites.home ?? domain,
    git: sites.git ?? `git.${domain}`,
    vault: sites.vault ?? `vault.${domain}`,
    s3: sites.s3 ?? `s3.${domain}`,
  };
}

function complete(config: Parsed): Config {
  const images = Object.fromEntries(
    Object.entries(IMAGES).map(([name, pin]) => [
      name,
      config.images[name as ImageName] ?? (config.registryMirror ? mirrored(pin, config.registryMirror) : pin),
    ]),
  ) as Record<ImageName, string>;
  const { sites: _sites, subnet, backup, offsite, consumers, registryMirror: _mirror, ...rest } = config;
  return {
    ...rest,
    sites: siteNames(config),
    sizing: SIZES[config.size],
    backup: { everyMinutes: toMinutes(backup.every) },
    offsite: completeOffsite(offsite),
    consumers: completeConsumers(consumers, toBytes),
    images,
    subnetPrefix: subnet.split(".").slice(0, 2).join("."),
  };
}

function completeOffsite(offsite: Parsed["offsite"]): Config["offsite"] {
  if (offsite === "none") return offsite;
  if ("repository" in offsite) {
    const { secretAccessKey, ...rest } = offsite;
    return typeof secretAccessKey === "string" ? { ...rest, secretAccessKey } : rest;
  }
  const { maxSize, ...rest } = offsite;
  return maxSize === undefined ? rest : { ...rest, maxSizeBytes: toBytes(maxSize) };
}

/** `docker.io/library/caddy:…` behind `mirror:5000` is `mirror:5000/library/caddy:…`: the registry's host is replaced. */
function mirrored(reference: string, mirror: string): string {
  return `${mirror}/${reference.slice(reference.indexOf("/") + 1)}`;
}

/** What the program takes from outside: configuration, the stack's name, the passphrase. */
export interface Inputs {
  readonly config: Config;
  readonly stack: string;
  readonly passphrase: Buffer;
}

/** Reads Pulumi's configuration and the environment. Called once, by index.ts. */
export async function readInputs(): Promise<Inputs> {
  // Loaded late: parseConfig is used by commands that need no Pulumi, and the SDK takes a second to load.
  const pulumi = await import("@pulumi/pulumi");
  const raw: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(pulumi.runtime.allConfig())) {
    if (key.startsWith("foundation:")) raw[key.slice("foundation:".length)] = decode(value);
  }
  return {
    config: parseConfig(raw),
    stack: pulumi.getStack(),
    passphrase: passphraseFrom(process.env, (path) => readFileSync(path)),
  };
}

/** Pulumi hands objects over as JSON text and scalars as they are. */
function decode(value: string): unknown {
  if (!/^[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
