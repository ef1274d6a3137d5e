import type { Recorded } from "../record.ts";
import {
  DOCKER_PROVIDER,
  each,
  isOnOffsite,
  LOCAL,
  ofType,
  REMOTE,
  show,
  unlike,
  type Rule,
  type Run,
} from "./rule.ts";

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
  each("commands: reach the VM as Docker does, with the pinned host key", [REMOTE], (command, run) =>
    isOnOffsite(command, run) ? [] : connection(command, run),
  ),
  each("commands: on the offsite all reach one host that is not the VM, with its own host key", [REMOTE], offsite),
  each("commands: run again when their script changes", [REMOTE], ({ inputs }) => {
    const triggers = (inputs.triggers ?? []) as string[];
    const installed = String(inputs.create).includes("/usr/local/lib/foundation/");
    return !installed || /^[0-9a-f]{16}$/.test(triggers[0] ?? "") ? [] : [`triggers ${show(triggers)}`];
  }),
];

type Connection = Readonly<Record<string, unknown>>;

const url = ({ user, host, port }: Connection): string => `ssh://${String(user)}@${String(host)}:${String(port)}`;

function connection({ inputs }: Recorded, run: Run): string[] {
  const given = inputs.connection as Connection;
  const provider = ofType(run, DOCKER_PROVIDER)[0];
  const pinned = (JSON.parse(String(provider?.inputs.sshOpts)) as string[])
    .map((option) => /^KnownHostsCommand=\/bin\/echo %H (.*)$/.exec(option)?.[1])
    .find(Boolean);
  return [
    ...unlike({ "connection.hostKey": given.hostKey }, { "connection.hostKey": pinned }),
    ...unlike({ connection: url(given) }, { connection: provider?.inputs.host }),
    ...bounded(given),
  ];
}

function offsite(command: Recorded, run: Run): string[] {
  if (!isOnOffsite(command, run)) return [];
  const [first] = ofType(run, REMOTE).filter((other) => isOnOffsite(other, run));
  const given = command.inputs.connection as Connection;
  const onVm = ofType(run, REMOTE).find((other) => !isOnOffsite(other, run))?.inputs.connection as Connection;
  const same = first?.inputs.connection as Connection;
  return [
    ...unlike({ connection: url(given) }, { connection: url(same) }),
    ...unlike({ "connection.hostKey": given.hostKey }, { "connection.hostKey": same.hostKey }),
    ...["host", "hostKey"]
      .filter((key) => given[key] === onVm[key])
      .map((key) => `connection.${key} is that of the VM`),
    ...bounded(given),
  ];
}

function bounded(given: Connection): string[] {
  const extra = Object.keys(given).filter(
    (key) => !["host", "port", "user", "hostKey", "dialErrorLimit", "perDialTimeout"].includes(key),
  );
  return [
    ...(Number(given.dialErrorLimit) > 0 ? [] : [`connection.dialErrorLimit ${show(given.dialErrorLimit)}`]),
    ...(Number(given.perDialTimeout) > 0 ? [] : [`connection.perDialTimeout ${show(given.perDialTimeout)}`]),
    // A private key or a password here would be in state; the agent has the key.
    ...extra.map((key) => `connection.${key} is set`),
  ];
}
