import { UserError } from "../errors.ts";
import type { Surroundings } from "./session.ts";

const TRIES = 5;

/**
 * Asks for one line of a printed secret until it is as printed: the error is found while the eye is still on the line.
 *
 * @param question as in `sheet 1, line 2 of 5`
 * @param check throws a UserError for a line that is not as printed
 * @throws UserError of the last try; (usage) without a terminal; (interrupted)
 */
export async function askPaperLine(
  { askSecret, log }: Pick<Surroundings, "askSecret" | "log">,
  question: string,
  check: (line: string) => void,
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const typed = await askSecret(`${question} (not shown): `);
    const line = typed.toString();
    typed.fill(0);
    try {
      check(line);
      return line;
    } catch (error) {
      if (!(error instanceof UserError) || attempt === TRIES) throw error;
      log(error.message);
    }
  }
}
