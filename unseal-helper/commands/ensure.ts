import { EXIT, UserError } from "../../errors.ts";
import { closeLeftOpen } from "../endpoint-window.ts";
import { ensure, planEnsure } from "../ensure.ts";
import type { Readers } from "../groundwork.ts";
import { openSeed } from "../seed-source.ts";
import type { Session } from "../session.ts";
import { type Command, DRY_RUN, type Option, planned } from "./command.ts";

/** The option of the commands that initialise. */
export const NEW_EPOCH: Readonly<Record<"new-epoch", Option>> = {
  "new-epoch": { type: "boolean", summary: "give up the keys in the file, where Vault is empty" },
};

export const ensureCommand: Command = {
  name: "ensure",
  summary: "initialise if it is empty, open it, give the Pulumi program its AppRole and what it builds on",
  description:
    "Goes on wherever an earlier run stopped, and changes nothing where nothing is missing: two audit devices, the KV\n" +
    "store, the login --job-login, and a secret id for each AppRole of --readers. Takes nothing away but, with\n" +
    "--remove-consumers, what consumers had that --readers does not name. Records where Vault runs, so that later\n" +
    "commands need neither --host nor --host-key.",
  options: {
    "job-login": { type: "string", value: "NAME", summary: "path below auth/ where jobs of the forge log in by JWT" },
    readers: { type: "string", value: "NAME,…", summary: "AppRoles that are given their derived secret id" },
    "remove-consumers": { type: "boolean", summary: "take the AppRoles of consumers that are not among --readers" },
    ...NEW_EPOCH,
    "repair-role": { type: "boolean", summary: "write its AppRole again, where somebody has removed or changed it" },
    ...DRY_RUN,
  },
  operands: [],
  takesProgram: false,
  exitStatus: {},
  async run(context, { values }) {
    const session = await context.openSession();
    const { tools, target, credentials } = session;
    const readers = readersOf(session, values["readers"]);
    const removeConsumers = values["remove-consumers"] === true;
    if (removeConsumers && values["readers"] === undefined)
      throw new UserError("--remove-consumers: needs --readers", "--readers operator,backup", EXIT.usage);
    const seed = openSeed(session, context.around.childEnvironment);
    const args = {
      target,
      credentials,
      readers,
      jobLogin: jobLoginOf(values["job-login"]),
      removeConsumers,
      seed,
      newEpoch: values["new-epoch"] === true,
      repairRole: values["repair-role"] === true,
    };
    if (values["dry-run"]) return planned(await planEnsure(tools, args));
    const result = await ensure(tools, args).finally(() => seed.close());
    // Its configuration survives a restart, and nobody could look while it was sealed.
    if (result.actions.includes("unsealed")) await closeLeftOpen(tools);
    const done = result.actions.length === 0 ? "nothing to do" : result.actions.join(", ");
    const text = `vault ${result.version}: ${done} (epoch ${result.epoch})`;
    return { text, json: result, exitCode: EXIT.ok };
  },
};

/** @throws UserError (usage) for what cannot be the name of an AppRole */
function readersOf({ secrets }: Session, list: string | boolean | undefined): Readers {
  const names = typeof list === "string" ? list.split(",") : [];
  const bad = names.find((name) => !/^[a-z][a-z0-9-]*$/.test(name));
  if (bad === undefined) return Object.fromEntries(names.map((name) => [name, secrets.vaultAppRole(name)]));
  throw new UserError(`--readers: not the name of an AppRole: "${bad}"`, "--readers operator,backup", EXIT.usage);
}

/** @throws UserError (usage) for what cannot be the path of a login */
function jobLoginOf(name: string | boolean | undefined): string | undefined {
  if (typeof name !== "string") return undefined;
  if (/^[a-z][a-z0-9-]*$/.test(name)) return name;
  throw new UserError(`--job-login: not the path of a login: "${name}"`, "--job-login actions", EXIT.usage);
}
