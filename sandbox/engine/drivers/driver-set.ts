import type { Driver, DriverSet } from "../driver.ts";
import { Exec } from "../exec.ts";
import { SshPool } from "../ssh-pool.ts";
import { dockerContainer } from "./docker-container.ts";
import { DockerHosts } from "./docker-hosts.ts";
import { dockerImage } from "./docker-image.ts";
import { dockerNetwork } from "./docker-network.ts";
import { dockerVolume } from "./docker-volume.ts";
import { localCommand } from "./local-command.ts";
import { DOCKER_PROVIDER_INPUTS, provider, VAULT_PROVIDER_INPUTS } from "./provider.ts";
import { randomPassword } from "./random-password.ts";
import { remoteCommand } from "./remote-command.ts";
import { certRequest, locallySignedCert, selfSignedCert } from "./tls.ts";
import { VaultClients } from "./vault-client.ts";
import { vaultEndpoint } from "./vault-endpoint.ts";
import { vaultPolicy } from "./vault-policy.ts";
import { vaultSecret } from "./vault-secret.ts";

/** The drivers of all resource types that the foundation uses, with the connections of one run. */
export function openDrivers(options: {
  readonly projectDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}): DriverSet {
  const exec = new Exec();
  const pool = new SshPool(options.environment["SSH_AUTH_SOCK"]);
  const dockerHosts = new DockerHosts(pool);
  const vaults = new VaultClients();
  const drivers: Readonly<Record<string, Driver>> = {
    "pulumi:providers:docker": provider(DOCKER_PROVIDER_INPUTS),
    "pulumi:providers:vault": provider(VAULT_PROVIDER_INPUTS),
    "command:local:Command": localCommand(exec, options.projectDirectory, options.environment),
    "command:remote:Command": remoteCommand(pool),
    "docker:index/container:Container": dockerContainer(dockerHosts),
    "docker:index/network:Network": dockerNetwork(dockerHosts),
    "docker:index/remoteImage:RemoteImage": dockerImage(dockerHosts),
    "docker:index/volume:Volume": dockerVolume(dockerHosts),
    "random:index/randomPassword:RandomPassword": randomPassword,
    "tls:index/certRequest:CertRequest": certRequest,
    "tls:index/locallySignedCert:LocallySignedCert": locallySignedCert,
    "tls:index/selfSignedCert:SelfSignedCert": selfSignedCert,
    "vault:generic/endpoint:Endpoint": vaultEndpoint(vaults),
    "vault:index/policy:Policy": vaultPolicy(vaults),
    "vault:kv/secretV2:SecretV2": vaultSecret(vaults),
  };
  return {
    get: (type) => drivers[type],
    close: () => {
      pool.close();
      exec.killAll();
    },
  };
}
