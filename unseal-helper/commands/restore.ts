import { EXIT, UserError } from "../../errors.ts";
import { drill } from "../drill.ts";
import { readOptional } from "../real-effects.ts";
import { type RestoreArgs, type Restored, restoreVault } from "../restore.ts";
import { collectShares } from "../share-collection.ts";
import type { Epoch } from "../share-file.ts";
import type { ShareStore } from "../share-store.ts";
import { SHARE_FD, SheetInput } from "../sheet-input.ts";
import { verifySnapshot } from "../snapshot-archive.ts";
import { manifestPath, parseManifest, type SnapshotManifest } from "../snapshot-manifest.ts";
import { type Command, type Context, DRY_RUN, planned } from "./command.ts";
import { openTransfer } from "./snapshot.ts";

export const restoreCommand: Command = {
  name: "restore",
  summary: "put a snapshot into an empty Vault, or try that out",
  description:
    "Checks FILE, loads it into a Vault that was never initialised, and opens that with the shares of the snapshot's\n" +
    "time. A run that was cut short is finished by running it again. With --drill it does so in a container of its own\n" +
    "on the VM, without a network, tells how long it took, and removes it: the real Vault is not touched.",
  options: {
    drill: { type: "boolean", summary: "restore into a container that is thrown away" },
    ...SHARE_FD,
    ...DRY_RUN,
  },
  operands: ["FILE"],
  takesProgram: false,
  exitStatus: { [EXIT.refused]: "the Vault is not empty" },
  async run(context, args) {
    const session = await context.openSession();
    const { store } = session.tools;
    const [path = ""] = args.operands;
    const { epoch, canary, snapshot } = await prepare(store, path, context.around.log);
    const isDrill = args.values["drill"] === true;
    if (args.values["dry-run"]) return planned([`restore ${path}, epoch ${epoch.id}${isDrill ? ", as a drill" : ""}`]);
    const shares = await collectShares(store, epoch, new SheetInput(context.around, args));
    const common = {
      path,
      snapshot,
      epoch,
      canary,
      shares: () => Promise.resolve(shares),
      appRole: session.secrets.vaultAppRole,
    };
    if (isDrill) {
      const drilled = await drill(session, context.around, common);
      const text = `drill: ${describe(path, epoch, drilled)}, in ${duration(drilled.seconds)}`;
      return { text, json: { epoch: epoch.id, ...drilled }, exitCode: EXIT.ok };
    }
    const restored = await restoreForGood(context, common);
    return { text: describe(path, epoch, restored), json: { epoch: epoch.id, ...restored }, exitCode: EXIT.ok };
  },
};

async function restoreForGood(context: Context, common: Omit<RestoreArgs, "transfer">): Promise<Restored> {
  const { tools, target } = await context.openSession();
  const { transfer, close } = await openTransfer(context);
  return await restoreVault(tools, { ...common, transfer }, async () => {
    await tools.store.reinstate(common.epoch.id);
    await tools.store.recordTarget(target);
  }).finally(close);
}

/** Everything that can be known to be wrong before Vault is asked anything. */
async function prepare(
  store: ShareStore,
  path: string,
  log: (line: string) => void,
): Promise<Pick<RestoreArgs, "epoch" | "canary" | "snapshot">> {
  const manifest = await readManifest(store, path);
  const { snapshotSha256, bytes } = { ...manifest };
  const archive = await verifySnapshot(path);
  if (manifest !== undefined && (archive.sha256 !== snapshotSha256 || archive.bytes !== bytes)) {
    throw new UserError(`${path}: is not the one ${manifestPath(path)} belongs to`, "choose another one", EXIT.keyFile);
  }
  if (manifest === undefined) log(`${manifestPath(path)}: missing; taking the epoch in force`);
  const id = manifest?.epoch ?? store.epoch?.id;
  const epoch = store.epochs.find((known) => known.id === id && known.phase === "COMMITTED");
  if (epoch !== undefined) return { epoch, canary: manifest?.canary ?? null, snapshot: archive.sha256.slice(0, 16) };
  throw new UserError(
    `${path}: wants the shares of epoch ${id ?? "?"}, which the share file does not have`,
    "find the version of the share file that has them: git log -- keys",
    EXIT.keyFile,
  );
}

async function readManifest(store: ShareStore, path: string): Promise<SnapshotManifest | undefined> {
  const text = await readOptional(manifestPath(path));
  return text === undefined ? undefined : parseManifest(manifestPath(path), text, store.snapshotKey());
}

function describe(path: string, { id }: Epoch, { version, canary }: Restored): string {
  const proof = canary === null ? "opened" : "opened, its canary is alive";
  return `vault ${version}: ${path} restored, ${proof} (epoch ${id})`;
}

function duration(seconds: number): string {
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
