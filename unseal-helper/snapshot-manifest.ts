import { createHmac } from "node:crypto";
import { parseDocument, serialiseDocument, verifyDocument } from "../keys/signed-document.ts";
import { StrictFields } from "../keys/strict-fields.ts";

/** A value of the KV store by which a restored Vault is recognised. */
export interface Canary {
  /** below `foundation/data/` */
  readonly path: string;
  /** keyed, so that it says nothing about the value */
  readonly mac: string;
}

/** What is kept beside a snapshot: which shares open it, and how to tell that it is all there. */
export interface SnapshotManifest {
  readonly version: 1;
  readonly stack: string;
  readonly epoch: string;
  readonly n: number;
  readonly t: number;
  readonly clusterId: string;
  readonly vaultVersion: string;
  readonly created: string;
  readonly bytes: number;
  readonly snapshotSha256: string;
  /** null where the KV store was empty or not there yet */
  readonly canary: Canary | null;
}

/** Path of the manifest of a snapshot. */
export function manifestPath(snapshot: string): string {
  return `${snapshot}.json`;
}

/** @param key ShareStore.snapshotKey */
export function serialiseManifest(manifest: SnapshotManifest, key: Buffer): string {
  return serialiseDocument(manifest, key);
}

/**
 * Reads the text of a manifest.
 *
 * @throws UserError (keyFile) where it is damaged or is not of this foundation
 */
export function parseManifest(path: string, text: string, key: Buffer): SnapshotManifest {
  const document = parseDocument(path, text);
  verifyDocument(path, document, key);
  const names = [
    "version",
    "stack",
    "epoch",
    "n",
    "t",
    "clusterId",
    "vaultVersion",
    "created",
    "bytes",
    "snapshotSha256",
    "canary",
  ];
  const fields = new StrictFields(path, "", document.body, names);
  return {
    version: fields.literal("version", 1),
    stack: fields.string("stack", /^./),
    epoch: fields.string("epoch", /^[0-9a-f-]{36}$/),
    n: fields.integer("n", 2, 255),
    t: fields.integer("t", 2, 255),
    clusterId: fields.string("clusterId", /^[0-9a-f-]{36}$/),
    vaultVersion: fields.string("vaultVersion", /^./),
    created: fields.string("created", /^\d{4}-/),
    bytes: fields.integer("bytes", 1, Number.MAX_SAFE_INTEGER),
    snapshotSha256: fields.string("snapshotSha256", /^[0-9a-f]{64}$/),
    canary: fields.isNull("canary") ? null : parseCanary(path, fields.value("canary")),
  };
}

function parseCanary(path: string, value: unknown): Canary {
  const fields = new StrictFields(path, "canary", value, ["path", "mac"]);
  return { path: fields.string("path", /^./), mac: fields.string("mac", /^[0-9a-f]{64}$/) };
}

/** The fingerprint of a KV value. */
export function canaryMac(key: Buffer, path: string, data: unknown): string {
  return createHmac("sha256", key)
    .update(JSON.stringify([path, data]))
    .digest("hex");
}
