import { deriveSecrets } from "../../keys/derive.ts";
import type { Seed } from "../../unseal-helper/seed.ts";
import type { SeedManifest } from "../../unseal-helper/seed-manifest.ts";
import { copyStorage, type Storage } from "./fake-vault.ts";
import { type Effect, type FakeWorld, MASTER_KEY } from "./fake-world.ts";

/** A snapshot on the VM, with what the backup says of it. */
export interface Brought {
  readonly manifest: SeedManifest;
  readonly storage: Storage;
}

/** What a backup takes of a Vault: everything in it, except the tokens that nobody has any more. */
export function takeSeed({ vault, marker }: FakeWorld): Brought {
  const { storage } = vault;
  if (storage === undefined) throw new Error("nothing to take");
  const { n, t, clusterId } = storage;
  const [epoch = ""] = marker?.split(" ") ?? [];
  const sha256 = "0".repeat(64);
  const manifest = {
    epoch,
    n,
    t,
    clusterId,
    version: vault.version,
    bytes: 1,
    sha256,
    taken: "2026-01-31T12:00:00.000Z",
  };
  return { manifest, storage: copyStorage(storage) };
}

/** The seed of a run, as the world has it. */
export function fakeSeed(world: FakeWorld, effect: Effect): Seed {
  return {
    read: () => effect("read seed", () => world.brought?.manifest),
    fetch: () => effect("fetch seed", () => "vault.snap"),
    remove: () => effect("remove seed", () => void (world.brought = undefined)),
    appRole: deriveSecrets(MASTER_KEY).vaultAppRole,
    transfer: {
      download: () => Promise.reject(new Error("nobody downloads")),
      upload: (token) =>
        effect("upload", () => {
          const { vault, brought } = world;
          if (!vault.storage?.rootTokens.has(token) || brought === undefined) throw new Error("no upload");
          // What is there is in the snapshot as well: wiping it costs nothing.
          vault.storage = { ...copyStorage(brought.storage), hasData: false };
          vault.restart();
        }),
    },
  };
}
