import { EXIT, UserError } from "../errors.ts";
import type { Exec } from "./exec.ts";
import type { Paths } from "./paths.ts";
import type { Progress } from "./progress.ts";

/** What every part of the rig works with; made once, by main.ts. */
export interface Rig {
  readonly exec: Exec;
  readonly progress: Progress;
  readonly paths: Paths;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** effective user id; building and deploying need 0 */
  readonly uid: number;
  /** the Node that runs the rig and runs the other programs of this repository */
  readonly node: string;
  /** one text on standard output: the result of the command */
  readonly print: (text: string) => void;
  /** Gives the process its exit code; without it, a command that throws nothing exits with 0. */
  readonly exitWith: (code: number) => void;
}

/** @throws UserError (host) */
export function requireRoot({ uid }: Rig): void {
  if (uid === 0) return;
  throw new UserError(
    "sandbox: not running as root, which installing Docker, building Debian file systems and /etc/hosts need",
    "sudo npm run sandbox",
    EXIT.host,
  );
}
