import { basename } from "node:path";
import { STACK_NAME } from "../keys/keyfile-format.ts";
import { SEALED_OVERHEAD_BYTES } from "../keys/sealed-box.ts";
import { damaged, parseDocument, type SignedDocument } from "../keys/signed-document.ts";
import { StrictFields } from "../keys/strict-fields.ts";
import type { SshTarget } from "../ssh-target.ts";

/** Shares of a new epoch, and how many of them open Vault. */
export const SHARES = 6;
export const THRESHOLD = 3;
/** Vault's root key is 32 bytes; a share has one more for its x. */
export const SHARE_BYTES = 33;

const VERSION = 1;

/**
 * How far an initialisation has come.
 *
 * INTENT: Vault may or may not be initialised, and nothing has been written to it; STORED: the shares are in this
 * file; COMMITTED: they have been read back and have opened Vault.
 */
export type Phase = "INTENT" | "STORED" | "COMMITTED";

/** One share of Vault's root key. */
export interface SealedShare {
  /** 1 … n as Vault made them; above n those that were issued later, which are on paper */
  readonly index: number;
  /** file: sealed here; paper: printed, and no longer here */
  readonly custody: "file" | "paper";
  /** null for a share on paper */
  readonly sealed: string | null;
  /** 16 hex characters of a keyed fingerprint: recognises the share without revealing it */
  readonly mac: string;
}

/** One initialisation of Vault: a set of shares that belong together. */
export interface Epoch {
  readonly id: string;
  readonly n: number;
  readonly t: number;
  readonly phase: Phase;
  /** for people; nothing depends on it */
  readonly created: string;
  readonly clusterId: string | null;
  /** the initial root token, sealed, until the configuration is bootstrapped and the token is proven revoked */
  readonly rootToken: string | null;
  readonly shares: readonly SealedShare[];
  /** INTENT only: the PGP key under which Vault hands out the shares, sealed */
  readonly pgpKey?: string;
  /** the epoch whose shares these replace in the same Vault; in force only once COMMITTED */
  readonly rekeyOf?: string;
}

/** The committed file of a stack's Vault, without its MAC and checksum. */
export interface ShareFileBody {
  readonly version: typeof VERSION;
  readonly stack: string;
  /** where Vault runs, so that `unseal` needs nothing but the repository and the passphrase */
  readonly target: SshTarget | null;
  /** the last one is in force, unless it is a rekey that is not COMMITTED; earlier ones open snapshots of their time */
  readonly epochs: readonly Epoch[];
}

/** Name of the share file of a stack inside the key directory. */
export function shareFileName(stack: string): string {
  return `${stack}.shares.json`;
}

/** What a stack without a Vault has. */
export function emptyShareFile(stack: string): ShareFileBody {
  return { version: VERSION, stack, target: null, epochs: [] };
}

/**
 * Reads the text of a share file strictly; its MAC is still to be checked.
 *
 * @throws UserError (keyFile) that names what is wrong
 */
export function parseShareFile(path: string, content: string): { body: ShareFileBody; document: SignedDocument } {
  const document = parseDocument(path, content);
  const fields = new StrictFields(path, "", document.body, ["version", "stack", "target", "epochs"]);
  const version = fields.literal("version", VERSION);
  const stack = fields.string("stack", STACK_NAME);
  if (basename(path) !== shareFileName(stack)) throw damaged(path, `it belongs to stack ${stack}`);
  const target = fields.isNull("target") ? null : parseTarget(path, fields.value("target"));
  const epochs = fields.array("epochs").map((epoch, index) => parseEpoch(path, `epochs[${index}]`, epoch));
  if (new Set(epochs.map(({ id }) => id)).size !== epochs.length) throw damaged(path, "an epoch is there twice");
  if (epochs.slice(0, -1).some(({ phase }) => phase === "INTENT")) throw damaged(path, "an old epoch has no shares");
  checkRekeys(path, epochs);
  return { body: { version, stack, target, epochs }, document };
}

/** A rekey replaces the shares of the epoch before it, and is the last one until it is COMMITTED. */
function checkRekeys(path: string, epochs: readonly Epoch[]): void {
  for (const [index, { rekeyOf, phase }] of epochs.entries()) {
    if (rekeyOf === undefined) continue;
    const fits = rekeyOf === epochs[index - 1]?.id && (phase === "COMMITTED" || index === epochs.length - 1);
    if (!fits || phase === "INTENT") throw damaged(path, `epochs[${index}].rekeyOf does not fit`);
  }
}

function parseTarget(path: string, value: unknown): SshTarget {
  const fields = new StrictFields(path, "target", value, ["address", "user", "port", "hostKey"]);
  return {
    // Neither may look like an option of ssh.
    address: fields.string("address", /^[A-Za-z0-9:][A-Za-z0-9.:%-]*$/),
    user: fields.string("user", /^[A-Za-z_][A-Za-z0-9_.-]*$/),
    port: fields.integer("port", 1, 65535),
    hostKey: fields.string("hostKey", /^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*$/),
  };
}

function parseEpoch(path: string, at: string, value: unknown): Epoch {
  const names = ["id", "n", "t", "phase", "created", "clusterId", "rootToken", "shares"];
  const fields = new StrictFields(path, at, value, names, ["pgpKey", "rekeyOf"]);
  const n = fields.integer("n", 2, 255);
  const phase = fields.oneOf("phase", ["INTENT", "STORED", "COMMITTED"]);
  const shares = fields.array("shares").map((share, index) => parseShare(path, `${at}.shares[${index}]`, share, index));
  const expected = phase === "INTENT" ? 0 : n;
  const issued = phase === "INTENT" ? shares : shares.slice(n);
  if (shares.length < expected || issued.some(({ custody }) => custody === "file" || phase === "INTENT")) {
    throw damaged(path, `${at} has ${shares.length} shares instead of ${expected}`);
  }
  const clusterId = fields.isNull("clusterId") ? null : fields.string("clusterId", /^[0-9a-f-]{36}$/);
  if ((clusterId !== null) !== (phase === "COMMITTED")) throw damaged(path, `${at}.clusterId does not fit ${phase}`);
  if (fields.has("pgpKey") !== (phase === "INTENT")) throw damaged(path, `${at}.pgpKey does not fit ${phase}`);
  return {
    id: fields.string("id", /^[0-9a-f-]{36}$/),
    n,
    t: fields.integer("t", 2, n),
    phase,
    created: fields.string("created", /^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    clusterId,
    rootToken: fields.isNull("rootToken") ? null : fields.string("rootToken", /^[A-Za-z0-9+/]+=*$/),
    shares,
    ...(fields.has("pgpKey") && { pgpKey: fields.string("pgpKey", /^[A-Za-z0-9+/]+=*$/) }),
    ...(fields.has("rekeyOf") && { rekeyOf: fields.string("rekeyOf", /^[0-9a-f-]{36}$/) }),
  };
}

function parseShare(path: string, at: string, value: unknown, index: number): SealedShare {
  const fields = new StrictFields(path, at, value, ["index", "custody", "sealed", "mac"]);
  const custody = fields.oneOf("custody", ["file", "paper"]);
  if (fields.isNull("sealed") !== (custody === "paper")) throw damaged(path, `${at}.sealed does not fit ${custody}`);
  return {
    index: fields.literal("index", index + 1),
    custody,
    sealed: custody === "paper" ? null : fields.base64("sealed", SHARE_BYTES + SEALED_OVERHEAD_BYTES),
    mac: fields.string("mac", /^[0-9a-f]{16}$/),
  };
}
