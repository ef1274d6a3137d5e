import { join } from "node:path";

// A foundation that never was, so that its secrets may lie here in the open. The file also holds the program to its format.

/** Opens slot 0. */
export const PASSPHRASE = "hatbox-outlook-clover-vanish-jukebox-ripple-oversleep";

/** Opens slot 1; as printed. */
export const RECOVERY_KEY = [
  "1: P5KQ W79A SFX1 PY0E",
  "2: QAXX DNXV 3E6K ZVVC",
  "3: JHY3 WYGM BP6G MCG7",
  "4: 8C9Z 2AHN WMHJ T0VV",
].join("\n");

/** Path of the key file of the stack `prod`, with scrypt's lowest cost. */
export const KEY_FILE = join(import.meta.dirname, "prod.key.json");
