import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import type { ImageName } from "../images.ts";
import type { SshTarget } from "../ssh-target.ts";
import { DOMAIN } from "./files.ts";

/** What only the rig can know about the sandbox's stack. */
export interface StackFacts {
  readonly host: SshTarget;
  readonly offsite: SshTarget;
  readonly images: Readonly<Partial<Record<ImageName, string>>>;
  readonly keyDirectory: string;
}

type Values = Record<string, unknown>;

/** Values that may be edited in the file; they are written once. */
const INITIAL: Values = {
  "foundation:domain": DOMAIN,
  "foundation:tls": { mode: "internal" },
  "foundation:forge": {
    admin: "operator",
    adminEmail: `operator@${DOMAIN}`,
    organisation: "platform",
    sshPort: 2222,
  },
  "foundation:size": "s",
};

/**
 * The stack's configuration in Pulumi's own format.
 *
 * @param previous content of the file so far: what the rig does not decide is kept, so that it can be edited
 */
export function stackConfig(facts: StackFacts, previous = ""): string {
  const file = (parse(previous) ?? {}) as { config?: Values };
  const decided: Values = {
    "foundation:host": { ...facts.host },
    "foundation:offsite": offsiteOf(previous, facts.offsite),
    "foundation:images": { ...facts.images },
    "foundation:keyDirectory": facts.keyDirectory,
  };
  const config = { ...INITIAL, ...file.config, ...decided };
  const header =
    "# Written by the sandbox; host, offsite, images and keyDirectory are rewritten by every `up`, the rest is yours.\n" +
    "# foundation:offsite: none deploys without the second host.\n";
  return header + stringify({ ...file, config }, { lineWidth: 0 });
}

/** The VM `offsite`, unless the file says that there is none, or names a repository elsewhere. */
function offsiteOf(content: string, offsite: SshTarget): unknown {
  const given = edited(content);
  if ("repository" in given) return given;
  return hasOffsite(content) ? { ...given, ...offsite } : "none";
}

/** What was given beside the address, such as the port of the REST server. */
function edited(content: string): Values {
  const offsite = configOf(content)["foundation:offsite"];
  return typeof offsite === "object" ? (offsite as Values) : {};
}

const configOf = (content: string): Values => ((parse(content) ?? {}) as { config?: Values }).config ?? {};

/** Whether the stack keeps its backups on the VM `offsite`; unless the file says `none`. @param content of it so far */
export function hasOffsite(content: string): boolean {
  return configOf(content)["foundation:offsite"] !== "none";
}

/** Where the backups are, for people; undefined where there are none. @param address of the VM `offsite` */
export function backupsAt(content: string, address: string): string | undefined {
  const { repository } = edited(content);
  if (typeof repository === "string") return repository;
  return hasOffsite(content) ? `VM offsite, ${address}` : undefined;
}

/** Where the stack runs Actions jobs; nowhere unless the file says otherwise. @param content of the file so far */
export function runnerIsolation(content: string): "rootless" | "container" | "off" {
  const runner = configOf(content)["foundation:runner"] as { enabled?: unknown; isolation?: unknown } | undefined;
  if (String(runner?.enabled) !== "true") return "off";
  return runner?.isolation === "container" ? "container" : "rootless";
}

/** Content of the file so far; empty before the first `up`. */
export function readStackConfig(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** Brings the file up to date. */
export function writeStackConfig(path: string, facts: StackFacts): void {
  writeFileSync(path, stackConfig(facts, readStackConfig(path)), { mode: 0o600 });
}
