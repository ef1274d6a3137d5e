import { readFileSync } from "node:fs";

/** A process that is running. */
export interface Process {
  /** name of its program, cut at 15 bytes */
  readonly name: string;
  /** clock ticks after boot: tells it from another that had the same id */
  readonly startedAt: string;
}

/**
 * Looks a process up; see proc_pid_stat(5).
 *
 * @returns undefined where it is no more, or only still listed: one that was killed with its parent stays a zombie until
 *   the first process of the system or the container has taken note, which may be never
 */
export function findProcess(pid: number): Process | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The name is in parentheses, and may itself hold spaces and parentheses.
  const end = stat.lastIndexOf(")");
  const [state = "", ...fields] = stat.slice(end + 2).split(" ");
  if ("ZX".includes(state)) return undefined;
  return { name: stat.slice(stat.indexOf("(") + 1, end), startedAt: fields[18] ?? "" };
}
