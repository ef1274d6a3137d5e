import { UserError } from "../errors.ts";
import { type ChildEnvironment, run } from "./exec.ts";

const TIMEOUT_SECONDS = 300;

/** Whether there is a pulumi program that runs. */
export async function findPulumi(env: ChildEnvironment): Promise<boolean> {
  const { code } = await run(["pulumi", "version"], { env, input: "", timeoutSeconds: 60 });
  return code === 0;
}

/**
 * Lets Pulumi itself put configuration and state under a new passphrase, whatever its backend.
 *
 * The new passphrase goes to its standard input, which is how it reads one without a terminal; the old one through a
 * pipe that it opens like a file. Neither is in its arguments, its environment or a file.
 *
 * @throws UserError with the last line of what it complained about
 */
export async function changeSecretsProvider(args: {
  project: string;
  stack: string;
  before: Buffer;
  after: Buffer;
  env: ChildEnvironment;
}): Promise<void> {
  const { project, stack, before, after } = args;
  const env = { ...args.env, PULUMI_CONFIG_PASSPHRASE_FILE: "/dev/fd/3", PULUMI_SKIP_UPDATE_CHECK: "true" };
  // Node's extra descriptors are sockets, which cannot be opened by name; a shell's are pipes.
  const script = 'exec pulumi "$@" 3< <(exec cat <&3)';
  const argv = [
    "stack",
    "change-secrets-provider",
    "passphrase",
    "--non-interactive",
    "--cwd",
    project,
    "--stack",
    stack,
  ];
  const { code, stdout, stderr } = await run(["bash", "-c", script, "pulumi", ...argv], {
    env,
    input: `${after.toString()}\n`,
    secret: before,
    timeoutSeconds: TIMEOUT_SECONDS,
  });
  if (code === 0) return;
  const reason = `${stderr}\n${stdout}`.trim().split("\n")[0] ?? "";
  throw new UserError(
    `pulumi: change-secrets-provider ended with ${code}: ${reason.slice(0, 300)}`,
    "run the same command again: it goes on where this one stopped",
  );
}
