import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT, UserError } from "../../errors.ts";
import { findProcess } from "../processes.ts";

/** Which process holds a lock. Process ids are used again, above all in containers; the start time tells them apart. */
interface Holder {
  readonly pid: number;
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
  if (holder && findProcess(holder.pid)?.startedAt === holder.startedAt) throw held(statePath, holder.pid);
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
  return { pid, startedAt: findProcess(pid)?.startedAt ?? "" };
}
