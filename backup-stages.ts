import * as pulumi from "@pulumi/pulumi";
import { jobSourcesHash } from "./backup-sources.ts";
import { BackupImage } from "./components/backup-image.ts";
import { backupPlan } from "./components/backup-plan.ts";
import { Backup } from "./components/backup.ts";
import { consumersBackup } from "./components/consumers.ts";
import { Caddy } from "./components/caddy.ts";
import type { CertificateAuthority } from "./components/certificate-authority.ts";
import type { Credentials } from "./components/credentials.ts";
import { Forgejo } from "./components/forgejo.ts";
import type { Host } from "./components/host.ts";
import { Images, type PulledImage } from "./components/images.ts";
import { Offsite, repositoryUrl } from "./components/offsite.ts";
import { foreignRepository, type Repository } from "./components/repository.ts";
import { Postgres } from "./components/postgres.ts";
import { Rustfs } from "./components/rustfs.ts";
import { Seed } from "./components/seed.ts";
import type { SERVICE_VOLUMES } from "./components/topology.ts";
import { Vault } from "./components/vault.ts";
import type { Vm } from "./components/vm.ts";
import { Volumes } from "./components/volumes.ts";
import type { Config, Drill, Offsite as OffsiteHost } from "./config.ts";
import type { DerivedSecrets } from "./keys/derive.ts";

/** Everything that has state, and what of it is backed up. */
export const SOURCES = [Postgres, Rustfs, Vault, Forgejo, Caddy, Backup].map(({ backup }) => backup);

interface StagesArgs {
  readonly config: Config;
  readonly keys: DerivedSecrets;
  readonly vm: Vm;
  readonly host: Host;
  readonly postgres: PulledImage;
  readonly ca: CertificateAuthority;
  readonly credentials: Credentials["values"];
  readonly volumes: Volumes<(typeof SERVICE_VOLUMES)[number]>["created"];
  readonly after: (...dependsOn: pulumi.Resource[]) => pulumi.ComponentResourceOptions;
}

/** What the stages of a foundation with an offsite have in common. */
export function offsiteStages(args: StagesArgs, target: Exclude<Config["offsite"], "none">) {
  const { config, keys, vm, host, ca, credentials, volumes, after } = args;
  const { restic, restServer, node } = config.images;
  const { vmId } = host;

  // 1 what the backup and a restore run in
  const volume = new Volumes("backup-volumes", vm, ["backup-data"], after(host)).created["backup-data"];
  const pulled = new Images("backup-images", { restic, node }, after(host)).pulled;
  const imageArgs = { images: { postgres: args.postgres, ...pulled }, sources: jobSourcesHash() };
  const image = new BackupImage("backup-image", { vm, vmId, ...imageArgs }, after(host)).built;

  // 2 the second host, unless somebody else keeps the repository
  const { everyMinutes } = config.backup;
  const offsiteArgs = {
    vm,
    vmId,
    everyMinutes,
    images: { restServer, restic },
    keys,
    caCertificate: ca.rootCertificate,
  };
  const { drill } = config;
  const isHost = "address" in target;
  // A drill changes nothing there: the server would be given the password of the drill's host, and lock the VM out.
  const offsite =
    isHost && drill === undefined
      ? new Offsite("offsite", { ...offsiteArgs, target }, { dependsOn: [host.checked] })
      : undefined;
  const repository = isHost
    ? (offsite?.repository ?? lentRepository(target, { ...keys, ca: ca.rootCertificate }, drill))
    : foreignRepository(target);

  const sources = [...SOURCES, consumersBackup(config.consumers)];
  const plan = pulumi.all([vmId, repository.keyHint]).apply(([id, keyHint]) => {
    const about = { owner: vm.ownerId, vmId: id, everyMinutes };
    const readOnly = drill === undefined ? undefined : true;
    return backupPlan({ ...about, offsite: { ...repository, keyHint }, readOnly, sources });
  });
  const common = { vm, image, plan, offsite: repository, resticPassword: keys.restic.password, credentials };
  return {
    /** stage 3, once the stores run and are empty, or hold what they held before */
    seed: (...stores: pulumi.Resource[]): Seed =>
      new Seed(
        "seed",
        { ...common, vmId, request: config.seed },
        after(...stores, ...(offsite ? [offsite.ready] : []), volume, ...Object.values(volumes)),
      ),
    /** stage 7, once there is something to back up; not of a drill */
    backup: (...services: pulumi.Resource[]): void => {
      if (drill !== undefined) return;
      const databases = sources.flatMap((source) => source.databases ?? []).map(({ name }) => name);
      const own = { volume, sources: volumes, databases, appRole: keys.vaultAppRole("backup") };
      new Backup("backup", { ...common, ...own, ...config.sizing.backup }, after(...services));
    },
  };
}

/** The repository on the second host, read as the VM reads it that backs up there. */
function lentRepository(
  { address, restPort }: OffsiteHost,
  { offsite, ca }: Pick<DerivedSecrets, "offsite"> & { readonly ca: pulumi.Output<string> },
  { asVm, keyHint }: Drill = {},
): Repository {
  if (asVm === undefined) throw new Error("no VM to read as");
  const { username } = offsite;
  return {
    url: repositoryUrl(address, restPort, username),
    username,
    password: pulumi.secret(offsite.password(asVm)),
    ...(keyHint === undefined ? {} : { keyHint: pulumi.output(keyHint) }),
    caCertificate: ca,
  };
}
