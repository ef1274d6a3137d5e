import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { IMAGES } from "../images.ts";
import { runHostScript } from "./host-script.ts";
import { readOptional } from "./real-effects.ts";
import type { Session, Surroundings } from "./session.ts";

/** Something that is wrong, and the command that cures it. */
export interface Finding {
  readonly check: string;
  readonly what: string;
  readonly cure: string;
}

/** Tokens and leases are dated by the clock. */
const SKEW_SECONDS = 30;
/** A Vault that cannot write its audit log answers nothing any more. */
const FULL_PERCENT = 90;
const HOST_SECONDS = 60;

/** What the VM knows: its clock and its disks. */
export async function examineHost({ target }: Session, { childEnvironment }: Surroundings): Promise<Finding[]> {
  const script = await readFile(new URL("doctor-host.sh", import.meta.url), "utf8");
  const before = Date.now();
  const output = await runHostScript(target, childEnvironment, { script, words: [], timeoutSeconds: HOST_SECONDS });
  const [clock = 0, logs = -1, data = -1] = output.split(" ").map(Number);
  return judgeHost({ earliest: before / 1000, latest: Date.now() / 1000, clock, logs, data });
}

/** @param facts seconds since 1970 here (before and after asking) and there; percent, -1 where there is no volume */
export function judgeHost(facts: {
  earliest: number;
  latest: number;
  clock: number;
  logs: number;
  data: number;
}): Finding[] {
  const { earliest, latest, clock, logs, data } = facts;
  const findings: Finding[] = [];
  const skew = clock < earliest ? earliest - clock : Math.max(clock - latest, 0);
  if (skew > SKEW_SECONDS) {
    const what = `the VM's clock and this one differ by ${Math.round(skew)} s`;
    findings.push({ check: "clock", what, cure: "timedatectl set-ntp true (on the one that is wrong)" });
  }
  for (const [volume, percent, room] of [
    ["vault-logs", logs, "logrotate -f /etc/logrotate.d/foundation-vault"],
    ["vault-data", data, "docker image prune --all --force"],
  ] as const) {
    if (percent < 0) {
      findings.push({ check: "disk", what: `the VM has no volume ${volume}`, cure: "pulumi up" });
    } else if (percent >= FULL_PERCENT) {
      const what = `the disk of ${volume} is ${percent} % full: at 100 % Vault stops`;
      findings.push({ check: "disk", what, cure: `${room} (on the VM); if that is not enough, a larger disk` });
    }
  }
  return findings;
}

/** What Vault tells by itself: seal, version, endpoints that answer without a token. */
export async function examineVault({ tools }: Session, project: string, stack: string): Promise<Finding[]> {
  const { vault, effects } = tools;
  const { initialized, sealed, version } = await vault.sealStatus();
  const findings: Finding[] = [];
  if (!initialized) return [{ check: "vault", what: "never initialised", cure: "npx foundation vault ensure" }];
  if (sealed) findings.push({ check: "vault", what: "sealed", cure: "npx foundation vault unseal" });
  findings.push(...judgeVersion(version, await configuredVersion(project, stack)));
  for (const path of ["sys/generate-root/attempt", "sys/rekey/init"]) {
    if (sealed) break;
    const { status, body } = await effects.requestVault({ method: "GET", path });
    findings.push(...judgeEndpoint(path, version, status, body["started"] === true));
  }
  return findings;
}

/** @param wanted by the configuration; `undefined` where it does not tell */
export function judgeVersion(version: string, wanted: string | undefined): Finding[] {
  if (wanted === undefined || wanted === version) return [];
  const isOlder = version.localeCompare(wanted, "en", { numeric: true }) < 0;
  const what = `Vault is ${version}, the configuration wants ${wanted}`;
  return [
    { check: "version", what, cure: isOlder ? "pulumi up" : "git pull: Vault is never put back to an older version" },
  ];
}

/** Before 2.0 these endpoints are always open, and only an attempt that somebody left is worth a word. */
export function judgeEndpoint(path: string, version: string, status: number, isStarted: boolean): Finding[] {
  const check = "endpoint";
  if (status !== 200) return [];
  if (isStarted) {
    return [
      {
        check,
        what: `${path}: somebody has begun and not finished`,
        cure: `if nobody is at work on it: npx foundation vault ${path.includes("rekey") ? "rekey" : "breakglass -- true"}`,
      },
    ];
  }
  if (Number(version.split(".")[0]) < 2) return [];
  return [
    {
      check,
      what: `${path}: answers without a token`,
      cure: "npx foundation vault verify (any command that opens the file closes them)",
    },
  ];
}

/** Runs an examination; what it cannot find out is a finding of its own. */
export async function attempt(check: string, examination: () => Finding[] | Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await examination();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [{ check, what: error.message, cure: error.hint }];
  }
}

async function configuredVersion(project: string, stack: string): Promise<string | undefined> {
  const text = await readOptional(join(project, `Pulumi.${stack}.yaml`));
  if (text === undefined) return undefined;
  const { parse } = await import("yaml");
  const content = parse(text) as { config?: { "foundation:images"?: { vault?: string } } } | null;
  const image = content?.config?.["foundation:images"]?.vault ?? IMAGES.vault;
  return /:v?(\d+\.\d+\.\d+)[^/:]*(?:@|$)/.exec(image)?.[1];
}
