import type { Breakages } from "./graph-copy.ts";

const ADMIN = "Command forgejo-admin";

export const commandBreakages: Breakages = {
  "commands: print nothing, remember nothing": [
    [(g) => delete g.get(ADMIN).inputs.logging, "Command forgejo-admin: logging unset is not none"],
    [
      (g) => (g.get("Command preflight").inputs.addPreviousOutputInEnv = true),
      "Command preflight: addPreviousOutputInEnv true is not false",
    ],
  ],
  "commands: one text for everything, and none for deletion": [
    [
      (g) => Object.assign(g.get(ADMIN).inputs, { delete: "rm -rf /", update: "true" }),
      "Command forgejo-admin: delete is set",
      "Command forgejo-admin: update is set",
    ],
  ],
  "commands: bounded in time on the VM": [
    [(g) => (g.get(ADMIN).inputs.create = "sudo -n sleep 1"), "Command forgejo-admin: create is sudo -n sleep 1"],
  ],
  "commands: a command line of plain words on the VM": [
    [
      (g) => (g.get(ADMIN).inputs.create = "timeout 5 sh -c 'echo $PASSWORD'"),
      "Command forgejo-admin: create is timeout 5 sh -c 'echo $PASSWORD'",
    ],
  ],
  "commands: output on the VM is kept as a secret": [
    [(g) => (g.get(ADMIN).additionalSecretOutputs = ["stderr"]), "Command forgejo-admin: stdout is kept in clear"],
  ],
  "commands: reach the VM as Docker does, with the pinned host key": [
    [
      (g) => (g.get(ADMIN).inputs.connection.hostKey = "ssh-ed25519 AAAA"),
      "Command forgejo-admin: connection.hostKey ssh-ed25519 AAAA is not " +
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVhIFhXeXUT/VhyvzD9sZQx3YTiRGvxVzGM7yCGUdWj",
    ],
    [
      (g) => (g.get(ADMIN).inputs.connection.host = "198.51.100.1"),
      "Command forgejo-admin: connection ssh://root@198.51.100.1:22 is not ssh://root@203.0.113.7:22",
    ],
    [
      (g) =>
        Object.assign(g.get(ADMIN).inputs.connection, { dialErrorLimit: -1, perDialTimeout: 0, privateKey: "KEY" }),
      "Command forgejo-admin: connection.dialErrorLimit -1",
      "Command forgejo-admin: connection.perDialTimeout 0",
      "Command forgejo-admin: connection.privateKey is set",
    ],
  ],
  "commands: on the offsite all reach one host that is not the VM, with its own host key": [
    [
      (g) => (g.get("Command offsite-server").inputs.connection.port = 2022),
      "Command offsite-setup: connection ssh://root@198.51.100.9:22 is not ssh://root@198.51.100.9:2022",
    ],
    [
      (g) => {
        const { connection } = g.get(ADMIN).inputs;
        g.get("Command offsite-setup").inputs.connection = { ...connection, dialErrorLimit: -1 };
        g.get("Command offsite-server").inputs.connection = { ...connection, dialErrorLimit: -1 };
      },
      ...["server", "setup"].flatMap((name) => [
        `Command offsite-${name}: connection.host is that of the VM`,
        `Command offsite-${name}: connection.hostKey is that of the VM`,
        `Command offsite-${name}: connection.dialErrorLimit -1`,
      ]),
    ],
  ],
  "commands: run again when their script changes": [
    [(g) => delete g.get(ADMIN).inputs.triggers, "Command forgejo-admin: triggers []"],
  ],
};
