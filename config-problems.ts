import type { z } from "zod";

/** One thing that is wrong with the configuration. */
export interface Problem {
  readonly message: string;
  readonly hint: string;
}

/** A right value for each key, shown in hints. The quoting is the shell's. */
const EXAMPLES: Record<string, string> = {
  domain: "example.org",
  sites: "--path foundation:sites.git git.example.org",
  "sites.*": "git.example.org",
  host: "--path foundation:host.address 203.0.113.7",
  "host.address": "203.0.113.7",
  "host.user": "root",
  "host.port": "22",
  "host.hostKey": '"$(ssh-keyscan -t ed25519 ADDRESS | cut -d" " -f2-)"',
  tls: "--path foundation:tls.mode internal",
  "tls.mode": "internal",
  "tls.email": "ops@example.org",
  "tls.directory": "https://acme-v02.api.letsencrypt.org/directory",
  "tls.certificate": "/etc/ssl/foundation/fullchain.pem",
  "tls.key": "/etc/ssl/foundation/privkey.pem",
  offsite: "none",
  "offsite.address": "198.51.100.9",
  "offsite.user": "root",
  "offsite.port": "22",
  "offsite.hostKey": '"$(ssh-keyscan -t ed25519 ADDRESS | cut -d" " -f2-)"',
  "offsite.restPort": "8000",
  "offsite.maxSize": "500G",
  "offsite.repository": "s3:https://s3.example.net/bucket/foundation",
  "offsite.accessKeyId": "KEY_ID",
  "offsite.secretAccessKey": "--path --secret foundation:offsite.secretAccessKey",
  "offsite.region": "us-east-1",
  forge: "--path foundation:forge.admin operator",
  "forge.admin": "operator",
  "forge.adminEmail": "ops@example.org",
  "forge.organisation": "platform",
  "forge.sshPort": "2222",
  "forge.repository": "foundation",
  "forge.deployKey": '"$(cut -d" " -f1,2 ~/.ssh/deploy.pub)"',
  size: "s",
  backup: "--path foundation:backup.every 15m",
  "backup.every": "15m",
  seed: "auto",
  images: "--path foundation:images.caddy repo:tag@sha256:DIGEST",
  "images.*": "repo:tag@sha256:DIGEST",
  // With a +, what follows is the path of a value inside.
  consumers: "+[0].name team",
  "consumers[]": "+.name team",
  "consumers[].name": "team",
  "consumers[].organisation": "team",
  "consumers[].access": "write",
  "consumers[].repositories": "+[0] app",
  "consumers[].repositories[]": "app",
  "consumers[].buckets": "+[0].name team-data",
  "consumers[].buckets[]": "+.name team-data",
  "consumers[].buckets[].name": "team-data",
  "consumers[].buckets[].quota": "50G",
  "consumers[].database": "true",
  "consumers[].secrets": "+[0] consumers/team/app",
  "consumers[].secrets[]": "consumers/team/app",
  "consumers[].webhooks": "+[0].url https://hooks.example.org/team",
  "consumers[].webhooks[]": "+.url https://hooks.example.org/team",
  "consumers[].webhooks[].url": "https://hooks.example.org/team",
  "consumers[].webhooks[].events": "+[0] push",
  "consumers[].webhooks[].events[]": "push",
  "consumers[].webhooks[].repository": "app",
  "consumers[].ci": "+.refs[0] refs/heads/main",
  "consumers[].ci.refs": "+[0] refs/heads/main",
  "consumers[].ci.refs[]": "refs/heads/main",
  "consumers[].ci.events": "+[0] push",
  "consumers[].ci.events[]": "push",
  "consumers[].rotation": "1",
  registryMirror: "registry.example.org:5000",
  runner: "--path foundation:runner.enabled false",
  "runner.enabled": "false",
  "runner.isolation": "rootless",
  subnet: "172.30.0.0/16",
  keyDirectory: "keys/stacks",
  vaultTunnelPort: "18200",
};

/** What an issue of the schema's means: path, value, and the command that fixes it. */
export function describeIssue(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // Of several alternatives, the one that got furthest into the value says what the operator meant.
    const deepest = issue.errors.flat().sort((a, b) => b.path.length - a.path.length)[0];
    if (deepest && deepest.path.length > 0 && typeof issue.input === "object" && issue.input !== null) {
      const nested = issue.errors.find((errors) => errors.includes(deepest)) ?? [];
      return nested.flatMap((error) => describeIssue({ ...error, path: [...issue.path, ...error.path] }));
    }
    const unknown = issue.errors.flat().find((error) => error.code === "unrecognized_keys");
    if (unknown && typeof issue.input === "object") return describeIssue({ ...unknown, path: issue.path });
  }
  if (issue.code === "unrecognized_keys" || issue.code === "invalid_key") {
    const keys = issue.code === "unrecognized_keys" ? issue.keys : [String(issue.path.at(-1))];
    const parent = issue.code === "unrecognized_keys" ? issue.path : issue.path.slice(0, -1);
    return keys.map((key) => {
      const path = dotted([...parent, key]);
      return { message: `config foundation:${path}: unknown key`, hint: removal(path) };
    });
  }
  const path = dotted(issue.path);
  if (
    issue.input === undefined ||
    (issue.code === "invalid_union" && at(issue.input, issue.discriminator) === undefined)
  )
    return [{ message: `config foundation:${path}: missing`, hint: setting(path) }];
  if (SECRET.includes(path)) return [{ message: `config foundation:${path}: ${issue.message}`, hint: setting(path) }];
  const value = show(issue.code === "invalid_union" ? at(issue.input, issue.discriminator) : issue.input);
  return [{ message: `config foundation:${path}: ${issue.message}: ${value}`, hint: setting(path) }];
}

/** A path as Pulumi takes it: `consumers[0].name`. */
function dotted(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === "number" ? `[${String(key)}]` : `.${String(key)}`))
    .join("")
    .slice(1);
}

/** Never shown, not even a wrong one. */
const SECRET = ["offsite.secretAccessKey"];

/** Of an object that no alternative of a union fits, the property that chooses the alternative. */
function at(input: unknown, discriminator: string | undefined): unknown {
  if (discriminator === undefined || typeof input !== "object" || input === null) return input;
  return (input as Record<string, unknown>)[discriminator];
}

const show = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** The command that takes a value back. */
export function removal(path: string): string {
  return `pulumi config rm ${keyOption(path)}`;
}

/** The command that sets a value, with a right one. */
export function setting(path: string): string {
  // Nobody writes it but the drill.
  if (path.split(".")[0] === "drill") return removal("drill");
  const anywhere = path.replaceAll(/\[\d+\]/g, "[]");
  const example = EXAMPLES[anywhere] ?? EXAMPLES[path.replace(/\.[^.]+$/, ".*")] ?? "VALUE";
  if (example.startsWith("--path")) return `pulumi config set ${example}`;
  // Of an object, one of its values.
  const [inside = "", value] = example.startsWith("+") ? example.slice(1).split(" ") : ["", example];
  return `pulumi config set ${keyOption(path + inside)} ${value ?? ""}`;
}

/** The key as Pulumi and the shell take it. */
function keyOption(path: string): string {
  if (path.includes("[")) return `--path 'foundation:${path}'`;
  return `${path.includes(".") ? "--path " : ""}foundation:${path}`;
}
