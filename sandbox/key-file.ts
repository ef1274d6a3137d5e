import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createKeyFile } from "../keys/keyfile.ts";
import { generatePassphrase } from "../keys/passphrase.ts";
import { sandboxFiles, STACK } from "./files.ts";
import type { Rig } from "./rig.ts";

/** Creates passphrase and key file of the sandbox unless they exist. The passphrase is kept in a file, because it guards nothing. */
export async function ensureKeyFile({ paths, progress }: Rig): Promise<void> {
  const { keys, keyFile, passphrase: file, recoveryKey: recoveryFile } = sandboxFiles(paths);
  if (existsSync(keyFile)) return;
  mkdirSync(keys, { recursive: true, mode: 0o700 });
  if (!existsSync(file)) writeFileSync(file, `${await generatePassphrase()}\n`, { mode: 0o600 });
  const passphrase = Buffer.from(readFileSync(file, "utf8").trim());
  const { recoveryKey } = await createKeyFile({ path: keyFile, stack: STACK, passphrase });
  writeFileSync(recoveryFile, `${recoveryKey}\n`, { mode: 0o600 });
  progress.say("keys", `new key file; its passphrase is in ${file}`);
}
