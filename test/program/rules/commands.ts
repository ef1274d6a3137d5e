import type { Recorded } from "../../harness.ts";
import { DOCKER_PROVIDER, each, LOCAL, ofType, REMOTE, show, unlike, type Rule, type Run } from "./rule.ts";

const COMMANDS = [REMOTE, LOCAL];
const OPTIONS = ["addPreviousOutputInEnv", "connection", "create", "environment", "logging", "stdin", "triggers"];

export const commandRules: Rule[] = [
  // One line above 64 KiB would hang the deployment for ever.
  each("commands: print nothing, remember nothing", COMMANDS, ({ inputs }) =>
    unlike(inputs, { logging: "none", addPreviousOutputInEnv: false }),
  ),
  // A delete runs against the address in state, which may be another machine by then.
  each("commands: one text for everything, and none for deletion", COMMANDS, ({ inputs }) =>
    Object.keys(inputs)
      .filter((key) => !OPTIONS.includes(key))
      .map((key) => `${key} is set`),
  ),
  each("commands: bounded in time on the VM", [REMOTE], ({ inputs }) =>
    /^(sudo -n )?timeout [1-9]\d* /.test(String(inputs.create)) ? [] : [`create is ${show(inputs.create)}`],
  ),
  each("commands: a command line of plain words on the VM", [REMOTE], ({ inputs }) =>
    /^[\w@.:/+ -]+$/.test(String(inputs.create)) ? [] : [`create is ${show(inputs.create)}`],
  ),
  each("commands: output on the VM is kept as a secret", [REMOTE], ({ additionalSecretOutputs }) =>
    ["stdout", "stderr"]
      .filter((key) => !additionalSecretOutputs.includes(key))
      .map((key) => `${key} is kept in clear`),
  ),
  each("commands: reach the VM as Docker does, with the pinned host key", [REMOTE], connection),
  each("commands: run again when their script changes", [REMOTE], ({ inputs }) => {
    const triggers = (inputs.triggers ?? []) as string[];
    const installed = String(inputs.create).includes("/usr/local/lib/foundation/");
    return !installed || /^[0-9a-f]{16}$/.test(triggers[0] ?? "") ? [] : [`triggers ${show(triggers)}`];
  }),
];

function connection({ inputs }: Recorded, run: Run): string[] {
  const given = inputs.connection as Readonly<Record<string, unknown>>;
  const provider = ofType(run, DOCKER_PROVIDER)[0];
  const pinned = (JSON.parse(String(provider?.inputs.sshOpts)) as string[])
    .map((option) => /^KnownHostsCommand=\/bin\/echo %H (.*)$/.exec(option)?.[1])
    .find(Boolean);
  const url = `ssh://${String(given.user)}@${String(given.host)}:${String(given.port)}`;
  const extra = Object.keys(given).filter(
    (key) => !["host", "port", "user", "hostKey", "dialErrorLimit", "perDialTimeout"].includes(key),
  );
  return [
    ...unlike({ "connection.hostKey": given.hostKey }, { "connection.hostKey": pinned }),
    ...unlike({ connection: url }, { connection: provider?.inputs.host }),
    ...(Number(given.dialErrorLimit) > 0 ? [] : [`connection.dialErrorLimit ${show(given.dialErrorLimit)}`]),
    ...(Number(given.perDialTimeout) > 0 ? [] : [`connection.perDialTimeout ${show(given.perDialTimeout)}`]),
    // A private key or a password here would be in state; the agent has the key.
    ...extra.map((key) => `connection.${key} is set`),
  ];
}
