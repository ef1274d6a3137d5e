import type { Driver, DriverSet } from "../driver.ts";
import { Exec } from "../exec.ts";
import { SshPool } from "../ssh-pool.ts";
import { localCommand } from "./local-command.ts";
import { DOCKER_PROVIDER_INPUTS, provider, VAULT_PROVIDER_INPUTS } from "./provider.ts";
import { randomPassword } from "./random-password.ts";
import { remoteCommand } from "./remote-command.ts";

/** The drivers of all resource types that the foundation uses, with the connections of one run. */
export function openDrivers(options: {
  readonly projectDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}): DriverSet {
  const exec = new Exec();
  const pool = new SshPool(options.environment["SSH_AUTH_SOCK"]);
  const drivers: Readonly<Record<string, Driver>> = {
    "pulumi:providers:docker": provider(DOCKER_PROVIDER_INPUTS),
    "pulumi:providers:vault": provider(VAULT_PROVIDER_INPUTS),
    "command:local:Command": localCommand(exec, options.projectDirectory, options.environment),
    "command:remote:Command": remoteCommand(pool),
    "random:index/randomPassword:RandomPassword": randomPassword,
  };
  return {
    get: (type) => drivers[type],
    close: () => {
      pool.close();
      exec.killAll();
    },
  };
}
