import { breakglassCommand } from "./breakglass.ts";
import type { Command } from "./command.ts";
import { doctorCommand } from "./doctor.ts";
import { ensureCommand } from "./ensure.ts";
import { initCommand } from "./init.ts";
import { rekeyCommand } from "./rekey.ts";
import { passphraseResetCommand } from "./passphrase-reset.ts";
import { passphraseRotateCommand } from "./passphrase-rotate.ts";
import { restoreCommand } from "./restore.ts";
import { sealCommand } from "./seal.ts";
import { sharesCheckCommand } from "./shares-check.ts";
import { sharesIssueCommand } from "./shares-issue.ts";
import { sharesPrintCommand } from "./shares-print.ts";
import { snapshotCommand } from "./snapshot.ts";
import { statusCommand } from "./status.ts";
import { unsealCommand } from "./unseal.ts";
import { verifyCommand } from "./verify.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  statusCommand,
  ensureCommand,
  initCommand,
  unsealCommand,
  sealCommand,
  passphraseRotateCommand,
  passphraseResetCommand,
  verifyCommand,
  rekeyCommand,
  breakglassCommand,
  sharesPrintCommand,
  sharesCheckCommand,
  sharesIssueCommand,
  snapshotCommand,
  restoreCommand,
  doctorCommand,
];
