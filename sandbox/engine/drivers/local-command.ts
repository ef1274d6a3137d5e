import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { text, type Driver, type DriverContext } from "../driver.ts";
import type { Exec } from "../exec.ts";
import type { Properties } from "../values.ts";
import { commandError, commandOutputs } from "./command-result.ts";

/**
 * command:local:Command: runs on the operator's machine, in the project directory, with the engine's whole environment.
 * As with the real provider the passphrase is part of it; the helper that unseals Vault finds it there.
 */
export function localCommand(
  exec: Exec,
  projectDirectory: string,
  environment: Readonly<Record<string, string | undefined>>,
): Driver {
  const run = async (command: string, inputs: Properties, previous: Properties, context: DriverContext) => {
    const interpreter = inputs["interpreter"];
    const shell = Array.isArray(interpreter) && interpreter.length > 0 ? interpreter.map(text) : ["/bin/sh", "-c"];
    const { code, stdout, stderr } = await exec.run([...shell, command], {
      directory: resolve(projectDirectory, text(inputs["dir"])),
      environment: {
        ...environment,
        ...(inputs["environment"] as object | undefined),
        ...previousOutput(inputs, previous),
      },
      input: text(inputs["stdin"]),
      ...(context.signal ? { signal: context.signal } : {}),
    });
    if (code !== 0) throw commandError(context.label, code, stderr);
    return commandOutputs(stdout, stderr);
  };
  return {
    inputs: [
      ...["create", "update", "delete", "triggers", "stdin", "environment", "interpreter", "dir"],
      ...["logging", "addPreviousOutputInEnv"],
    ],
    replaceOn: ["triggers"],
    changedByUpdate: ["stdout", "stderr"],
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

/** The id of a command says nothing; it is new each time, so that what depends on it notices a replacement. */
export function commandId({ name }: DriverContext): string {
  return `${name}${randomBytes(4).toString("hex")}`;
}

/** What the command printed last time, as the real provider hands it over. */
export function previousOutput(inputs: Properties, previous: Properties): Record<string, string> {
  if (inputs["addPreviousOutputInEnv"] === false) return {};
  const stdout = text(previous["stdout"]);
  const stderr = text(previous["stderr"]);
  return {
    ...(stdout === "" ? {} : { PULUMI_COMMAND_STDOUT: stdout }),
    ...(stderr === "" ? {} : { PULUMI_COMMAND_STDERR: stderr }),
  };
}
