import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** How git logs in over HTTPS. */
export interface HttpsLogin {
  readonly username: string;
  readonly token: string;
  /** CA of the site, PEM; undefined for the public ones */
  readonly ca: string | undefined;
}

/**
 * Lets git log in with a token, which it asks a script for: argv, environment and URLs are public.
 *
 * @param directory mode 0700; the login is good as long as it exists
 * @returns environment for git
 */
export async function writeHttpsLogin(
  directory: string,
  { username, token, ca }: HttpsLogin,
): Promise<Record<string, string>> {
  const askpass = join(directory, "askpass");
  await writeFile(`${askpass}.Username`, username, { mode: 0o600 });
  await writeFile(`${askpass}.Password`, token, { mode: 0o600 });
  // git calls it with the prompt: "Username for 'https://…': " or "Password for 'https://…': "
  await writeFile(askpass, '#!/bin/sh\nexec cat "$0.${1%% *}"\n', { mode: 0o700 });
  const env = { GIT_ASKPASS: askpass };
  if (ca === undefined) return env;
  const caFile = join(directory, "ca.crt");
  await writeFile(caFile, ca);
  return { ...env, GIT_SSL_CAINFO: caFile };
}
