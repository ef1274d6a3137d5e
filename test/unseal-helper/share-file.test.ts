import { describe, expect, it } from "vitest";
import { EXIT } from "../../errors.ts";
import { deriveBytes, LABELS } from "../../keys/labels.ts";
import { serialiseDocument } from "../../keys/signed-document.ts";
import { rekey } from "../../unseal-helper/rekey.ts";
import type { Epoch, SealedShare, ShareFileBody } from "../../unseal-helper/share-file.ts";
import { FakeWorld, MASTER_KEY, SHARE_FILE } from "./fake-world.ts";

const finished = new FakeWorld();
const result = await finished.ensure();
const intact = finished.file ?? "";
const { mac: _mac, sha256: _sha256, ...body } = JSON.parse(intact) as ShareFileBody & { mac: string; sha256: string };
const epoch = body.epochs[0] as Epoch;
const shares = epoch.shares;

/** The file as only somebody with the master key could write it. */
function forged(change: Partial<Epoch>): string {
  const changed = { ...body, epochs: [{ ...epoch, ...change }] };
  return serialiseDocument(changed, deriveBytes(MASTER_KEY, LABELS.vaultShareFileMac, 32));
}

async function open(file: string): Promise<unknown> {
  const world = new FakeWorld();
  world.file = file;
  world.vault = finished.vault;
  world.vault.restart();
  const error: unknown = await world.ensure().catch((reason: unknown) => reason);
  expect(world.effects.filter((name) => name === "PUT sys/unseal")).toEqual([]);
  return { error, effects: world.effects };
}

describe("the share file", () => {
  it("is found changed in every byte, before Vault is asked anything", async () => {
    const bytes = Buffer.from(intact);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      const { error, effects } = (await open(flipped.toString("latin1"))) as { error: object; effects: string[] };
      expect(error, `byte ${at}`).toMatchObject({ exitCode: EXIT.keyFile });
      expect(effects).toEqual(["read file"]);
    }
  });

  it("is found rewritten without the master key", async () => {
    const rewritten = serialiseDocument(body, Buffer.alloc(32, 9));
    expect(await open(rewritten)).toMatchObject({
      error: {
        message: `${SHARE_FILE}: damaged: its mac does not match: it was changed by somebody without the master key`,
        exitCode: EXIT.keyFile,
      },
      effects: ["read file"],
    });
  });

  const [one, two, ...rest] = shares as [SealedShare, SealedShare, ...SealedShare[]];
  const otherId = epoch.id.replace(/^./, (digit) => (digit === "f" ? "e" : "f"));
  const swapped = [{ ...two, index: 1 }, { ...one, index: 2 }, ...rest];
  it.each<[string, Partial<Epoch>, string]>([
    ["swapped shares", { shares: swapped }, `share 1 of epoch ${epoch.id} does not open`],
    ["shares under another epoch's id", { id: otherId }, `share 1 of epoch ${otherId} does not open`],
    [
      "a repeated share",
      { shares: [one, { ...one, index: 2 }, ...rest] },
      `share 2 of epoch ${epoch.id} does not open`,
    ],
    ["fewer shares than said", { shares: shares.slice(1) }, "epochs[0].shares[0].index is not 1"],
    ["no shares", { shares: [] }, "epochs[0] has 0 shares instead of 6"],
    ["a committed epoch without a Vault", { clusterId: null }, "epochs[0].clusterId does not fit COMMITTED"],
    ["a threshold above n", { t: 7 }, "epochs[0].t is not a whole number from 2 to 6"],
  ])("refuses %s", async (_, change, message) => {
    const { error } = (await open(forged(change))) as { error: Error };
    expect(error).toMatchObject({ exitCode: EXIT.keyFile });
    expect(error.message).toContain(`${SHARE_FILE}: damaged: ${message}`);
  });

  it("refuses a share that was moved from one epoch to another", async () => {
    const world = new FakeWorld();
    await world.ensure();
    await world.run(rekey);
    const [old, fresh] = world.epochs() as [Epoch, Epoch];
    const moved = { ...fresh, shares: [old.shares[0] as SealedShare, ...fresh.shares.slice(1)] };
    const text = serialiseDocument(
      { ...body, epochs: [old, moved] },
      deriveBytes(MASTER_KEY, LABELS.vaultShareFileMac, 32),
    );
    world.file = text;
    world.vault.restart();
    await expect(world.ensure()).rejects.toMatchObject({
      message: `${SHARE_FILE}: damaged: share 1 of epoch ${fresh.id} does not open`,
      exitCode: EXIT.keyFile,
    });
    expect(world.effects).not.toContain("PUT sys/unseal");
  });

  it("remembers where Vault runs and who it is", () => {
    expect(body.target).toEqual({ address: "vm.test", user: "root", port: 22, hostKey: "ssh-ed25519 AAAA" });
    expect(epoch).toMatchObject({ id: result.epoch, n: 6, t: 3, clusterId: result.clusterId });
    expect(shares.map(({ index, custody }) => [index, custody])).toEqual([1, 2, 3, 4, 5, 6].map((i) => [i, "file"]));
  });
});
