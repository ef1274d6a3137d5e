import type { Client, ClientChannel } from "ssh2";
import { UserError } from "../../../errors.ts";
import type { SshTarget } from "../../../ssh-target.ts";
import { text, type Driver, type DriverContext } from "../driver.ts";
import type { SshPool } from "../ssh-pool.ts";
import { isRecord, type Properties } from "../values.ts";
import { commandError, commandOutputs } from "./command-result.ts";
import { commandId, previousOutput } from "./local-command.ts";

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** command:remote:Command: runs on the VM over the shared SSH connection, input by stdin. */
export function remoteCommand(pool: SshPool): Driver {
  const run = async (command: string, inputs: Properties, previous: Properties, context: DriverContext) => {
    const client = await pool.connect(connectionTarget(inputs, context.label), "commands");
    const environment = inputs["environment"] as Record<string, string> | undefined;
    if (environment) await requireEnvironment(client, environment, context);
    const all = { ...environment, ...previousOutput(inputs, previous) };
    const { code, stdout, stderr } = await execute(client, command, all, text(inputs["stdin"]), context.signal);
    if (code !== 0) throw commandError(context.label, code, stderr);
    return commandOutputs(stdout, stderr);
  };
  return {
    inputs: [
      ...["connection", "create", "update", "delete", "triggers", "stdin", "environment"],
      ...["logging", "addPreviousOutputInEnv"],
    ],
    replaceOn: ["triggers"],
    secretOutputs: ["connection"],
    changedByUpdate: ["stdout", "stderr"],
    check(inputs, { label }) {
      if (isRecord(inputs["connection"])) connectionTarget(inputs, label);
    },
    async create(inputs, context) {
      const command = text(inputs["create"]);
      const outputs = command === "" ? commandOutputs("", "") : await run(command, inputs, {}, context);
      return { id: commandId(context), outputs };
    },
    async update(existing, inputs, _changes, context) {
      const command = text(inputs["update"]) || text(inputs["create"]);
      return command === "" ? existing.outputs : run(command, inputs, existing.outputs, context);
    },
    async remove(existing, context) {
      const command = text(existing.inputs["delete"]);
      if (command !== "") await run(command, existing.inputs, existing.outputs, context);
    },
  };
}

/** The host that an SSH `connection` speaks of. @throws UserError without a pinned host key, or with a login other than by agent */
function connectionTarget(inputs: Properties, label: string): SshTarget {
  const connection = isRecord(inputs["connection"]) ? inputs["connection"] : {};
  const known = ["host", "port", "user", "hostKey", "dialErrorLimit", "perDialTimeout"];
  const unknown = Object.keys(connection).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    throw new UserError(
      `${label}: connection: the sandbox's engine does not know ${unknown.join(", ")}`,
      "log in by SSH agent, with host, port, user and hostKey only",
    );
  }
  const hostKey = text(connection["hostKey"]);
  if (hostKey === "") {
    throw new UserError(
      `${label}: connection: no host key is pinned`,
      "set connection.hostKey to the VM's public host key",
    );
  }
  return {
    address: text(connection["host"]),
    port: Number(connection["port"] ?? 22),
    user: text(connection["user"]) || "root",
    hostKey,
  };
}

/** A server drops variables that its AcceptEnv does not name, and says nothing; so it is asked before they matter. */
async function requireEnvironment(client: Client, environment: Record<string, string>, context: DriverContext) {
  for (const name of Object.keys(environment)) {
    const { code } = await execute(client, `printenv ${name} >/dev/null`, environment, "", context.signal);
    if (code !== 0) {
      throw new UserError(
        `${context.label}: the SSH server does not accept the environment variable ${name}`,
        "pass the value by stdin, or name the variable in the server's AcceptEnv",
      );
    }
  }
}

function execute(
  client: Client,
  command: string,
  environment: Record<string, string>,
  input: string,
  signal: AbortSignal | undefined,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const started = (error: Error | undefined, channel: ClientChannel): void => {
      if (error) reject(error);
      else resolve(finish(channel, input, signal));
    };
    client.exec(command, { env: environment }, started);
  });
}

function finish(channel: ClientChannel, input: string, signal: AbortSignal | undefined): Promise<Ended> {
  return new Promise((resolve) => {
    const output = { stdout: "", stderr: "" };
    let code: number | undefined;
    channel.setEncoding("utf8").on("data", (chunk: string) => {
      output.stdout += chunk;
    });
    channel.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      output.stderr += chunk;
    });
    channel.on("exit", (exitCode: number | null, signalName?: string) => {
      code = exitCode ?? 255;
      if (exitCode === null) output.stderr += `ended by signal ${signalName ?? ""}\n`;
    });
    channel.on("close", () => {
      // without an exit code the connection broke; the command may still be running on the VM
      if (code === undefined) output.stderr += "the SSH connection was lost\n";
      resolve({ code: code ?? 255, ...output });
    });
    // A program that ends without reading its input is judged by its exit code, not by the closed channel.
    channel.on("error", () => undefined);
    const expire = (): void => {
      // the channel goes at once; whether the command ends then is up to the command
      channel.close();
      resolve({ code: 255, ...output, stderr: `${output.stderr}no end within the time allowed\n` });
    };
    signal?.addEventListener("abort", expire);
    if (signal?.aborted) expire();
    channel.end(input);
  });
}
