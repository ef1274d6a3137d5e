import { readFileSync } from "node:fs";
import { EXIT, UserError } from "../errors.ts";

/**
 * Content of a file descriptor that an option names.
 *
 * @param option as in `--share-fd`
 * @throws UserError (usage) where there is no such descriptor
 */
export function readDescriptor(option: string, fd: string): Buffer {
  const unreadable = (reason: string): UserError =>
    new UserError(`${option} ${fd}: ${reason}`, `as in ${option} 3 3< FILE`, EXIT.usage);
  if (!/^\d{1,4}$/.test(fd)) throw unreadable("not a number");
  try {
    return readFileSync(Number(fd));
  } catch (error) {
    throw unreadable(`cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
