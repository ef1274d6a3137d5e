import { Seed } from "../../components/seed.ts";
import { BackupImage } from "../../components/backup-image.ts";
import { Backup } from "../../components/backup.ts";
import { Caddy } from "../../components/caddy.ts";
import { ConsumerCredentials } from "../../components/consumer-credentials.ts";
import { Consumers } from "../../components/consumers.ts";
import { ConsumerSecrets } from "../../components/consumer-secrets.ts";
import { CertificateAuthority } from "../../components/certificate-authority.ts";
import { Credentials } from "../../components/credentials.ts";
import { Forgejo } from "../../components/forgejo.ts";
import { Host } from "../../components/host.ts";
import { Images } from "../../components/images.ts";
import { Networks } from "../../components/network.ts";
import { Offsite } from "../../components/offsite.ts";
import { Postgres } from "../../components/postgres.ts";
import { Runner } from "../../components/runner.ts";
import { Rustfs } from "../../components/rustfs.ts";
import { VaultConfig } from "../../components/vault-config.ts";
import { Vault, VaultReady } from "../../components/vault.ts";
import { Volumes } from "../../components/volumes.ts";
import { edges, label, type Rule, type Run } from "./rule.ts";
import { STACK_TYPE } from "../../sandbox/engine/registration.ts";
import type { Recorded } from "../record.ts";

const COMPONENTS = {
  ConsumerCredentials,
  Consumers,
  ConsumerSecrets,
  Seed,
  BackupImage,
  Backup,
  Host,
  Networks,
  Images,
  CertificateAuthority,
  Credentials,
  Postgres,
  Rustfs,
  Offsite,
  Vault,
  VaultReady,
  VaultConfig,
  Forgejo,
  Caddy,
  Runner,
  Volumes,
};

/** Stage by component type token; the Docker provider is configuration and belongs to the first stage. */
export const STAGES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(Object.entries(COMPONENTS).map(([name, { stage }]) => [`foundation:index:${name}`, stage])),
  "pulumi:providers:docker": 0,
};

export const stageRules: Rule[] = [
  { name: "stages: every resource is part of a component that has a stage", check: unstaged },
  { name: "stages: nothing depends on a later stage", check: forward },
  { name: "stages: nothing but Vault's own configuration waits for an unsealed Vault", check: waitingForVault },
];

/** The nearest of a resource and its parents that has a stage. */
function staged(run: Run, resource: Recorded | undefined): Recorded | undefined {
  if (resource === undefined || resource.type in STAGES) return resource;
  return staged(
    run,
    run.resources.find(({ urn }) => urn === resource.parent),
  );
}

function unstaged(run: Run): string[] {
  return run.resources
    .filter((resource) => staged(run, resource) === undefined)
    .map((resource) => `${label(resource)}: belongs to no stage`);
}

function forward(run: Run): string[] {
  const byUrn = new Map(run.resources.map((resource) => [resource.urn, resource]));
  const stageOf = (resource: Recorded): number => STAGES[staged(run, resource)?.type ?? ""] ?? 0;
  return run.resources.flatMap((resource) =>
    edges(resource).flatMap((urn) => {
      const target = byUrn.get(urn);
      if (target === undefined)
        return urn.includes(`::${STACK_TYPE}::`)
          ? []
          : [`${label(resource)}: depends on ${urn}, which nothing registered`];
      const [from, to] = [stageOf(resource), stageOf(target)];
      return to > from
        ? [`${label(resource)} (stage ${String(from)}): depends on ${label(target)} (stage ${String(to)})`]
        : [];
    }),
  );
}

/** Design rule 5: with Vault sealed, everything else is deployed and boots. */
function waitingForVault(run: Run): string[] {
  const needsVault = ["VaultReady", "VaultConfig", "ConsumerSecrets"].map((name) => `foundation:index:${name}`);
  const inVault = (resource: Recorded | undefined): boolean => needsVault.includes(staged(run, resource)?.type ?? "");
  const byUrn = new Map(run.resources.map((resource) => [resource.urn, resource]));
  return run.resources
    .filter((resource) => !inVault(resource))
    .flatMap((resource) =>
      edges(resource)
        .map((urn) => byUrn.get(urn))
        .filter((target) => target !== undefined && inVault(target))
        .map((target) => `${label(resource)}: depends on ${label(target as Recorded)}`),
    );
}
