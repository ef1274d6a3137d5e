import * as pulumi from "@pulumi/pulumi";
import { offsiteStages } from "./backup-stages.ts";
import { Caddy } from "./components/caddy.ts";
import { CertificateAuthority } from "./components/certificate-authority.ts";
import { Credentials } from "./components/credentials.ts";
import { Forgejo } from "./components/forgejo.ts";
import { Host } from "./components/host.ts";
import { Images } from "./components/images.ts";
import { JOB_LOGIN } from "./components/job-login.ts";
import { Networks } from "./components/network.ts";
import { Postgres } from "./components/postgres.ts";
import { Rustfs } from "./components/rustfs.ts";
import { READERS, VaultConfig } from "./components/vault-config.ts";
import { Vault, VaultReady } from "./components/vault.ts";
import { SERVICE_VOLUMES } from "./components/topology.ts";
import { dockerProvider, SCRIPTS, type Vm } from "./components/vm.ts";
import { Volumes } from "./components/volumes.ts";
import { TRUSTED } from "./config-consumers.ts";
import { readInputs } from "./config.ts";
import { consumerStages } from "./consumer-stages.ts";
import { deriveSecrets } from "./keys/derive.ts";
import { openKeyFile } from "./keys/keyfile.ts";
import { offsiteWarning } from "./offsite-warning.ts";
import { landing, mirroredSecrets, stackOutputs, urls } from "./outputs.ts";
import { withReadableErrors } from "./run-error.ts";
import { runnerStage } from "./runner-stage.ts";
import { readScripts } from "./scripts.ts";
import { openVaultTunnel } from "./tunnel.ts";

/** The whole foundation of one stack, stage by stage. A stage depends only on earlier ones; a test holds that. */
async function foundation(): Promise<Record<string, unknown>> {
  const { config, stack, passphrase } = await readInputs();
  const { forge, host: target, images, keyDirectory, sites, sizing, subnetPrefix, vaultTunnelPort } = config;
  const keys = deriveSecrets(await openKeyFile({ path: `${keyDirectory}/${stack}.key.json`, passphrase }));
  const { ca: caKeys, forgejo: forgeKeys, ownerId, fileFingerprintKey: fingerprintKey, vaultAppRole: appRole } = keys;
  const vm: Vm = { target, ownerId, fingerprintKey, scripts: readScripts(SCRIPTS), subnetPrefix };
  const provider = dockerProvider(vm);
  const after = (...dependsOn: pulumi.Resource[]) => ({ provider, dependsOn });
  if (!pulumi.runtime.isDryRun()) await openVaultTunnel(target, vaultTunnelPort);
  const withBackup = config.offsite !== "none";
  const warning = offsiteWarning(config);
  if (warning !== undefined) await pulumi.log.warn(warning);
  const { runner: _runner, job: _job, restic: _restic, restServer: _server, node: _node, ...serviceImages } = images;

  // 0 host
  const host = new Host("host", { vm, forgeSshPort: forge.sshPort, minimum: sizing.host });

  // 1 networks, volumes, images, certificates, credentials
  const networks = new Networks("networks", vm, config.drill !== undefined, after(host));
  const volumes = new Volumes("volumes", vm, SERVICE_VOLUMES, after(host)).created;
  const image = new Images("images", serviceImages, after(host)).pulled;
  const ca = new CertificateAuthority("certificate-authority", caKeys);
  const credentials = new Credentials("credentials").values;
  const tenants = consumerStages({ config, vm, appRole });

  // 2 stores
  const postgresArgs = {
    image: image.postgres,
    volume: volumes["postgres-data"],
    limits: sizing.postgres,
    credentials,
    withBackup,
    consumers: tenants.databases,
  };
  const postgres = new Postgres("postgres", { vm, ...postgresArgs }, after(...networks.of("postgres")));
  const rustfsData = { image: image.rustfs, volume: volumes["rustfs-data"], withBackup, consumers: tenants.buckets };
  const rustfs = new Rustfs(
    "rustfs",
    { vm, ...rustfsData, ...sizing.rustfs, credentials },
    after(...networks.of("rustfs")),
  );
  const vaultArgs = { image: image.vault, volumes, withBackup, ...sizing.vault, publicUrl: urls(config).vault };
  const vault = new Vault("vault", { vm, ...vaultArgs }, after(...networks.of("vault")));

  // 2 offsite, 3 what the stores start with
  const stagesArgs = { config, keys, vm, host, postgres: image.postgres, ca, credentials, volumes, after };
  const stages = config.offsite === "none" ? undefined : offsiteStages(stagesArgs, config.offsite);
  const seeded = stages ? [stages.seed(postgres, rustfs, ...networks.of("backup"))] : [];

  // 4 Vault opened and filled
  const readers = [...Object.keys(READERS), ...tenants.vaultRoles];
  const readyArgs = { stack, keyDirectory, container: vault.container, jobLogin: JOB_LOGIN, readers };
  const ready = new VaultReady("vault-ready", { vm, ...readyArgs }, after(vault, ...seeded));
  const secrets = mirroredSecrets(config, keys, credentials, host.vmId);
  const jobs = { organisation: forge.organisation, repositories: [], ...TRUSTED };
  const signer = { idTokenKeyPem: forgeKeys.idTokenKey.publicKeyPem, sites, jobs };
  const vaultConfigArgs = { tunnelPort: vaultTunnelPort, appRole, secrets, ...signer };
  const vaultConfig = new VaultConfig("vault-config", vaultConfigArgs, { dependsOn: [ready] });

  // 5 forge
  const forgeData = { image: image.forgejo, volume: volumes["forgejo-data"], withBackup, ...tenants.forge };
  const forgeArgs = { ...forgeData, limits: sizing.forgejo, forge, sites, credentials, keys: forgeKeys };
  const forgejo = new Forgejo(
    "forgejo",
    { vm, ...forgeArgs },
    after(postgres, rustfs, ...seeded, ...networks.of("forgejo")),
  );

  // 6 web server, consumers
  const site = { sites, tls: config.tls, landing: landing(config, keys), withRunner: config.runner.enabled };
  const caddyData = { image: image.caddy, volume: volumes["caddy-data"] };
  const caddyArgs = { ...caddyData, ...sizing.caddy, ca, intermediateKeyPem: caKeys.intermediateKeyPem };
  const caddy = new Caddy("caddy", { vm, ...caddyArgs, ...site }, after(forgejo, ...networks.of("caddy")));
  tenants.admit(credentials["forgejo-admin-password"], vaultConfig, after(forgejo));

  // 7 backup, runner
  stages?.backup(postgres, rustfs, vault, forgejo, caddy, ...networks.of("backup"));
  runnerStage({ config, vm, ca, credentials }, after(host), after(forgejo, caddy, ...networks.of("runner")));

  return stackOutputs(config, keys, ca.rootCertificate);
}

export default withReadableErrors(foundation);
