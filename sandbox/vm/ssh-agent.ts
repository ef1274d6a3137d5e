import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import type { Rig } from "../rig.ts";
import { ensureKey } from "./ssh-keys.ts";

/** Socket of the sandbox's agent; it is what SSH_AUTH_SOCK is set to. */
export const agentSocket = (sandbox: string): string => join(sandbox, "agent.sock");

/** Starts the agent unless it runs, and gives it the operator's key. Returns the socket's path. */
export async function ensureAgent(rig: Rig): Promise<string> {
  const { exec, paths } = rig;
  const socket = agentSocket(paths.sandbox);
  // The kernel keeps socket paths in 108 bytes.
  if (Buffer.byteLength(socket) > 107) {
    throw new UserError(
      `ssh-agent: path too long for a socket: ${socket}`,
      "set FOUNDATION_SANDBOX_DIR to a shorter path",
    );
  }
  const { file, publicKey } = await ensureKey(rig, "operator");
  const environment = { SSH_AUTH_SOCK: socket };
  // Exit code 2: no agent. 1: an agent without keys.
  const listed = await exec(["ssh-add", "-L"], { environment, mayFail: true });
  if (listed.code === 2) {
    rmSync(socket, { force: true });
    const { stdout } = await exec(["ssh-agent", "-a", socket]);
    writeFileSync(pidFile(paths.sandbox), /SSH_AGENT_PID=(\d+)/.exec(stdout)?.[1] ?? "", { mode: 0o600 });
  }
  if (!listed.stdout.includes(publicKey)) await exec(["ssh-add", "-q", file], { environment });
  return socket;
}

/** Ends the agent that listens on the sandbox's socket, if any. */
export async function stopAgent({ exec, paths }: Rig): Promise<void> {
  const socket = agentSocket(paths.sandbox);
  const environment = { SSH_AUTH_SOCK: socket };
  const answers = (await exec(["ssh-add", "-L"], { environment, mayFail: true })).code !== 2;
  // A process id on file may belong to somebody else by now; a socket that answers says that it does not.
  if (answers && existsSync(pidFile(paths.sandbox))) {
    const pid = readFileSync(pidFile(paths.sandbox), "utf8");
    await exec(["ssh-agent", "-k"], { environment: { ...environment, SSH_AGENT_PID: pid }, mayFail: true });
  }
  rmSync(socket, { force: true });
  rmSync(pidFile(paths.sandbox), { force: true });
}

const pidFile = (sandbox: string): string => join(sandbox, "agent.pid");
