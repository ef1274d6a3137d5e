import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { EXIT, UserError } from "../../errors.ts";
import type { Offsite, Repository } from "../../config.ts";
import { offsiteWarning } from "../../offsite-warning.ts";
import type { Shell } from "../shell.ts";
import { rootCommand, runOnVm } from "../ssh.ts";
import type { OpenStack } from "../stack.ts";
import { formatAge, newestCommit } from "./commits.ts";
import { keyName } from "./kit.ts";
import { readFacts, type OffsiteFacts } from "../offsite/offsite.ts";
import type { OffsiteHost } from "./offsite-host.ts";

/** One thing that the way back needs. */
export interface Readiness {
  readonly what: string;
  readonly good: boolean;
  readonly detail: string;
  /** what to do where it is not good */
  readonly hint?: string;
}

/**
 * Whether this machine could bring the foundation back now. It looks at the offsite and not at the VM, which will be gone.
 *
 * @throws UserError (unreachable) where the offsite cannot be asked
 */
export async function checkReadiness(
  shell: Shell,
  stack: OpenStack,
  offsite: Offsite | Repository,
): Promise<Readiness[]> {
  if (!("address" in offsite))
    return [keyFileOf(stack), ...judgeForeign(stack, offsite), judgeImages(stack), RECOVERY_KEY];
  const host: OffsiteHost = { run: shell.run, target: offsite, where: "dr" };
  const facts = await readFacts(host);
  return [
    keyFileOf(stack),
    { what: "offsite", good: true, detail: `${offsite.address} answers with the pinned host key` },
    ...judgeOffsite(facts, stack.secrets.ownerId, Date.now() / 1000),
    ...(await judgeBackup(shell, stack, host)),
    await judgeKeyCopy(stack, host),
    judgeImages(stack),
    RECOVERY_KEY,
  ];
}

const keyFileOf = ({ keyFile }: OpenStack): Readiness => ({
  what: "key file",
  good: true,
  detail: `the passphrase opens ${keyFile}`,
});

const RECOVERY_KEY: Readiness = {
  what: "recovery key",
  good: true,
  detail: "not looked at: the sheet that `foundation init` printed opens the key file if the passphrase is lost",
};

/** Of a repository that somebody else keeps: this machine has no client for it, and what it cannot promise. */
function judgeForeign({ config, name }: OpenStack, { repository }: Repository): Readiness[] {
  return [
    {
      ...{ what: "offsite", good: false, detail: offsiteWarning(config) ?? repository },
      hint: "a second host takes backups that a VM cannot delete: pulumi config set --path foundation:offsite.address …",
    },
    {
      ...{ what: "backup", good: true, detail: "not looked at: this machine has no client for it" },
      hint: `npx foundation backup status --stack ${name}`,
    },
    {
      what: "this checkout",
      good: true,
      detail: "it has to survive elsewhere: nothing lies in clear in the repository, and `dr fetch` needs a host",
    },
  ];
}

const CLOCK_TOLERANCE_SECONDS = 300;

/** @param nowSeconds this machine's clock */
export function judgeOffsite(facts: OffsiteFacts, owner: string, nowSeconds: number): Readiness[] {
  const findings: Readiness[] = [judgeRepositoryOf(facts, owner)];
  findings.push(
    facts.server === "running"
      ? { what: "REST server", good: true, detail: "running" }
      : {
          ...{ what: "REST server", good: false, detail: facts.server },
          hint: "docker start offsite (on the offsite), or: pulumi up",
        },
  );
  const difference = Math.abs(facts.nowSeconds - nowSeconds);
  if (difference > CLOCK_TOLERANCE_SECONDS) {
    const detail = `the offsite's differs from this machine's by ${formatAge(difference)}`;
    findings.push({ what: "clock", good: false, detail, hint: "on whichever is wrong: timedatectl set-ntp true" });
  }
  return findings;
}

function judgeRepositoryOf(facts: OffsiteFacts, owner: string): Readiness {
  const what = "repository";
  const hint = "is foundation:offsite the right one? if so: pulumi up";
  if (facts.owner !== owner)
    return { what, good: false, detail: `belongs to ${facts.owner || "nobody"}, not to ${owner}`, hint };
  if (!facts.hasRepository) return { what, good: false, detail: "gone", hint: "see docs/recovery.md" };
  const free = `${String(Math.floor(facts.freeBytes / 2 ** 30))} GiB free`;
  const { generation: vm } = facts;
  const writer = vm
    ? `generation ${String(vm.generation)}: VM ${vm.vmId.slice(0, 8)} since ${vm.since}`
    : "no VM has written to it yet";
  return { what, good: true, detail: `ours, ${free}, ${writer}` };
}

async function judgeBackup(shell: Shell, stack: OpenStack, host: OffsiteHost): Promise<Readiness[]> {
  const { config, secrets } = stack;
  const marker = await newestCommit(host, secrets.restic.password, secrets.ownerId).catch((error: unknown) => {
    if (error instanceof UserError && error.exitCode === EXIT.attention) return undefined;
    throw error;
  });
  const hint = "npx foundation backup now";
  if (marker === undefined) return [{ what: "backup", good: false, detail: "there is none", hint }];
  const seconds = Date.now() / 1000 - Date.parse(marker.finished) / 1000;
  const detail = `${marker.snapshot.slice(0, 8)}, ${formatAge(seconds)} old`;
  const late = seconds > 2 * 60 * config.backup.everyMinutes;
  const backup: Readiness = late
    ? {
        what: "backup",
        good: false,
        detail: `${detail}; one is due every ${String(config.backup.everyMinutes)} min`,
        hint,
      }
    : { what: "backup", good: true, detail };
  return [backup, await judgeRepository(shell, marker.kit?.commit)];
}

async function judgeRepository(shell: Shell, saved: string | undefined): Promise<Readiness> {
  const what = "this checkout";
  const { stdout } = await shell.run("git", ["-C", shell.projectDirectory, "rev-parse", "HEAD"]);
  const head = stdout.trim();
  if (saved === head) return { what, good: true, detail: `commit ${head.slice(0, 8)} is in the backup` };
  const detail = `commit ${head.slice(0, 8)} is not the one in the backup: ${saved?.slice(0, 8) ?? "it has none"}`;
  return { what, good: false, detail, hint: "npx foundation backup now" };
}

async function judgeKeyCopy(stack: OpenStack, host: OffsiteHost): Promise<Readiness> {
  const path = `/var/lib/foundation-offsite/kit/${keyName(stack.name)}`;
  const command = rootCommand(host.target, ["sha256sum", path]);
  const { stdout } = await runOnVm(host.run, host.where, host.target, command);
  const here = createHash("sha256").update(readFileSync(stack.keyFile)).digest("hex");
  const what = "key file, offsite";
  if (stdout.startsWith(here)) return { what, good: true, detail: "the same as here" };
  const detail = stdout === "" ? "missing" : "another one than here";
  return { what, good: false, detail, hint: `npx foundation backup kit --stack ${stack.name}` };
}

function judgeImages({ config }: OpenStack): Readiness {
  const references = Object.entries(config.images);
  const loose = references.filter(([, reference]) => !/@sha256:[0-9a-f]{64}$/.test(reference)).map(([name]) => name);
  const what = "images";
  if (loose.length === 0) return { what, good: true, detail: `${String(references.length)} pinned by digest` };
  return {
    what,
    good: false,
    detail: `not pinned: ${loose.join(", ")}`,
    hint: "give each its digest: repo:tag@sha256:…",
  };
}

/** The findings as lines, hints below what they belong to. */
export function formatReadiness(findings: readonly Readiness[]): string {
  return findings
    .map(({ what, good, detail, hint }) => {
      const line = `${good ? "ok" : "TO DO"}`.padEnd(7) + `${what.padEnd(18)} ${detail}`;
      return hint === undefined ? line : `${line}\n       hint: ${hint}`;
    })
    .join("\n");
}
