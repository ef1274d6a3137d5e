import { EXIT, type ExitCode } from "../errors.ts";
import type { CommandLine } from "./command-line.ts";
import { ensure, planEnsure } from "./ensure.ts";
import type { Observer, Session } from "./session.ts";
import { readStatus, statusCode, statusLine } from "./status.ts";
import { type Tools, unsealVault } from "./unseal.ts";
import { waitForVault } from "./waiting.ts";

/** What a command has to tell: one text for people, one object for programs, one code for scripts. */
export interface Outcome {
  readonly text: string;
  readonly json: object;
  readonly exitCode: ExitCode;
}

/** `status` */
export async function runStatus({ vault, file }: Observer): Promise<Outcome> {
  const report = await readStatus(vault, file);
  return { text: statusLine(report), json: report, exitCode: statusCode(report) };
}

/** `ensure`, `unseal` and `seal` */
export async function runCommand(session: Session, options: CommandLine): Promise<Outcome> {
  switch (options.command) {
    case "ensure":
      return options.dryRun ? planned(await planEnsure(session.tools, options.newEpoch)) : runEnsure(session, options);
    case "unseal":
      return options.dryRun ? planned(await planSealing(session.tools, "unseal")) : runUnseal(session.tools);
    case "seal":
      return options.dryRun ? planned(await planSealing(session.tools, "seal")) : runSeal(session.tools);
    case "status":
    case "help":
      throw new Error(`${options.command} needs no session`);
  }
}

async function runEnsure({ tools, target, credentials }: Session, { newEpoch }: CommandLine): Promise<Outcome> {
  const result = await ensure(tools, { target, credentials, newEpoch });
  const done = result.actions.length === 0 ? "nothing to do" : result.actions.join(", ");
  const text = `vault ${result.version}: ${done} (epoch ${result.epoch})`;
  return { text, json: result, exitCode: EXIT.ok };
}

async function runUnseal(tools: Tools): Promise<Outcome> {
  await tools.store.load();
  const { changed, clusterId, version } = await unsealVault(tools);
  const actions = changed ? ["unsealed"] : [];
  const text = `vault ${version}: ${changed ? "unsealed" : "nothing to do"}`;
  return { text, json: { actions, clusterId, version }, exitCode: EXIT.ok };
}

/** Sealing through the API needs a token that nobody has; a restarted Vault is sealed as well. */
async function runSeal({ effects, vault }: Tools): Promise<Outcome> {
  const before = await waitForVault(vault, effects);
  if (!before.sealed) await effects.restartVault();
  const { sealed, version } = await waitForVault(vault, effects);
  const actions = before.sealed ? [] : ["sealed"];
  const text = `vault ${version}: ${before.sealed ? "nothing to do" : sealed ? "sealed" : "not sealed"}`;
  return { text, json: { actions, version }, exitCode: sealed ? EXIT.ok : EXIT.failed };
}

async function planSealing({ effects, vault }: Tools, command: "seal" | "unseal"): Promise<string[]> {
  const { sealed } = await waitForVault(vault, effects);
  return sealed === (command === "unseal") ? [command] : [];
}

function planned(plan: readonly string[]): Outcome {
  const text = plan.length === 0 ? "nothing to do" : plan.map((step) => `would ${step}`).join("\n");
  return { text, json: { plan }, exitCode: EXIT.ok };
}
