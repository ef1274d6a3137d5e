import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, UserError } from "../../errors.ts";

/** Which process holds a lock. Process ids are used again, above all in containers; the start time tells them apart. */
interface Holder {
  readonly pid: number;
  /** clock ticks after boot, from /proc */
  readonly startedAt: string;
}

/**
 * Takes the lock of a state file, also from a process that is no more.
 *
 * @returns releases it
 * @throws UserError (refused) while another process works on the same state
 */
export async function takeLock(statePath: string): Promise<() => void> {
  const path = `${statePath}.lock`;
  const me = thisProcess();
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (!createLock(path, me)) {
    refuseIfHeld(path, statePath);
    await replaceLock(path, me, statePath);
  }
  return () => {
    if (same(readLock(path), me)) rmSync(path, { force: true });
  };
}

function createLock(path: string, me: Holder): boolean {
  try {
    writeFileSync(path, JSON.stringify(me), { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function refuseIfHeld(path: string, statePath: string): void {
  const holder = readLock(path);
  if (holder && startTime(holder.pid) === holder.startedAt) throw held(statePath, holder.pid);
}

/** Several processes may find the same dead holder: the last one to put its name there has the lock, the others see it. */
async function replaceLock(path: string, me: Holder, statePath: string): Promise<void> {
  const mine = `${path}.${me.pid}`;
  writeFileSync(mine, JSON.stringify(me), { mode: 0o600 });
  renameSync(mine, path);
  await sleep(50);
  if (!same(readLock(path), me)) refuseIfHeld(path, statePath);
}

function held(statePath: string, pid: number): UserError {
  return new UserError(
    `state ${statePath}: in use by process ${pid}`,
    `wait for it to end; \`ps -p ${pid}\` shows what it is`,
    EXIT.refused,
  );
}

/** Undefined where there is no lock, or one whose writer died before its name was in it. */
function readLock(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Holder;
  } catch {
    return undefined;
  }
}

function same(holder: Holder | undefined, me: Holder): boolean {
  return holder?.pid === me.pid && holder.startedAt === me.startedAt;
}

function thisProcess(): Holder {
  const pid = Number(readlinkSync("/proc/self"));
  return { pid, startedAt: startTime(pid) ?? "" };
}

/**
 * Field 22 of /proc/PID/stat; the second field, a name in parentheses, may itself hold spaces and parentheses. Undefined
 * for a process that is no more, or only still listed: one that was killed with its parent stays a zombie until the
 * first process of the system or the container has taken note, which may be never.
 */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return "ZX".includes(state) ? undefined : fields[18];
  } catch {
    return undefined;
  }
}
