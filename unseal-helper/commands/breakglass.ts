import { EXIT, UserError } from "../../errors.ts";
import { breakGlass } from "../breakglass.ts";
import { withForward } from "../forward.ts";
import { shareSource } from "../share-collection.ts";
import { SHARE_FD, SheetInput } from "../sheet-input.ts";
import { type Command, DRY_RUN, planned } from "./command.ts";

const TTL_MINUTES = 15;
const TTL_MINUTES_MAX = 240;

export const breakglassCommand: Command = {
  name: "breakglass",
  summary: "run one program with a token that has all rights",
  description:
    "For repairs that the AppRole of the Pulumi program cannot make. The program gets VAULT_ADDR and VAULT_TOKEN in its\n" +
    "environment, where other processes of the same user can read them. When it ends, the token is revoked and proven\n" +
    "dead; should this command be killed, the token runs out by itself. What Vault ≥ 2.0 has to open for its creation\n" +
    "is closed again before the program starts; what a killed run leaves open, the next command closes.",
  options: {
    ttl: {
      type: "string",
      value: "MINUTES",
      summary: `life of the token (default ${TTL_MINUTES}, at most ${TTL_MINUTES_MAX})`,
    },
    ...SHARE_FD,
    ...DRY_RUN,
  },
  operands: [],
  takesProgram: true,
  exitStatus: { [EXIT.failed]: "failed; with --json the program's own code is in the result" },
  async run(context, args) {
    const { values, program } = args;
    const minutes = ttlMinutes(values["ttl"]);
    const { tools, openConnection } = await context.openSession();
    if (values["dry-run"]) return planned([`run ${program[0]} with a token of ${minutes} minutes`]);
    const shares = shareSource(tools.store, new SheetInput(context.around, args));
    const code = await context.around.uninterrupted((run) => {
      const work = (token: string): Promise<number> =>
        withForward(openConnection, (address) => run(program, { VAULT_ADDR: address, VAULT_TOKEN: token }));
      return breakGlass(tools, minutes * 60, work, shares);
    });
    const text = `vault: ${program[0]} ended with ${code}; the token is revoked`;
    return { text, json: { code }, exitCode: code === 0 ? EXIT.ok : EXIT.failed };
  },
};

function ttlMinutes(value: string | boolean | undefined): number {
  if (value === undefined) return TTL_MINUTES;
  const minutes = /^\d{1,3}$/.test(String(value)) ? Number(value) : 0;
  if (minutes >= 1 && minutes <= TTL_MINUTES_MAX) return minutes;
  throw new UserError(
    `command line: --ttl ${value}: not 1 to ${TTL_MINUTES_MAX} minutes`,
    "npx foundation vault breakglass --help",
    EXIT.usage,
  );
}
