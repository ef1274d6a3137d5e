import type { AppRoleCredentials } from "../keys/derive.ts";
import type { SshTarget } from "../ssh-target.ts";
import { bootstrap, PULUMI_ROLE, repairRole } from "./bootstrap.ts";
import { findFormerConsumers, removeFormerConsumers } from "./former-consumers.ts";
import { layGroundwork, missingGroundwork, type Wanted } from "./groundwork.ts";
import { commit, initialise, needsInitialisation } from "./initialise.ts";
import { restoreSeed, type Seed, wantedSeed } from "./seed.ts";
import type { Epoch } from "./share-file.ts";
import { type Tools, type Unsealed, unsealVault } from "./unseal.ts";
import { waitForVault } from "./waiting.ts";

/** What {@link ensure} is to bring about, beyond a Vault that is open. */
export interface EnsureArgs extends Wanted {
  readonly target: SshTarget;
  /** of the AppRole `pulumi` */
  readonly credentials: AppRoleCredentials;
  /** whether consumers that are none of the readers lose their AppRoles */
  readonly removeConsumers?: boolean;
  /** what a rebuild has brought for an empty Vault */
  readonly seed: Seed;
  /** gives up the keys in the file, and what a rebuild has brought, where Vault is empty */
  readonly newEpoch: boolean;
  /** writes the AppRole again where it is lost; without it that is an error, because somebody has done it */
  readonly repairRole?: boolean;
}

/** A Vault that is initialised, open, bootstrapped and the one of the share file. */
export interface EnsureResult {
  /** what was done, in order; empty where everything was so already */
  readonly actions: readonly string[];
  readonly epoch: string;
  readonly clusterId: string;
  readonly version: string;
}

/**
 * Brings Vault to: initialised, its shares in the file, unsealed, its AppRole for the Pulumi program in place, the root
 * token revoked, with the content of the backup after a rebuild, and with everything that Vault refuses to create twice.
 * Goes on wherever an earlier run stopped; changes nothing where nothing is missing.
 *
 * @throws UserError: refused for a Vault that is not ours, halfDone never (it finishes what is half done)
 */
export async function ensure(tools: Tools, args: EnsureArgs): Promise<EnsureResult> {
  await tools.store.load();
  const restored = !args.newEpoch && (await restoreSeed(tools, args.seed)) ? ["restored"] : [];
  const opened = await initialiseAndOpen(tools, args);
  const bootstrapped = (await bootstrap(tools, args.credentials)) ? ["bootstrapped"] : [];
  const isRepaired = args.repairRole === true && (await repairRole(tools, args.credentials));
  const repaired = isRepaired ? [`repaired the AppRole ${PULUMI_ROLE}`] : [];
  const made = await layGroundwork(tools, args.credentials, args);
  const groundwork = made.map((name) => `${name} made`);
  const former =
    args.removeConsumers === true ? await removeFormerConsumers(tools, args.credentials, args.readers) : [];
  const taken = former.map((name) => `AppRole ${name} taken`);
  const before = [...restored, ...opened.actions, ...bootstrapped, ...repaired];
  return { ...opened, actions: [...before, ...groundwork, ...taken] };
}

/** The part of {@link ensure} that writes nothing into Vault: the root token stays sealed in the file. */
export async function initialiseAndOpen(
  tools: Tools,
  { target, newEpoch }: Pick<EnsureArgs, "target" | "newEpoch">,
): Promise<EnsureResult> {
  const { effects, store } = tools;
  const actions: string[] = [];
  await store.load();
  if (await needsInitialisation(tools, newEpoch)) {
    await effects.withHostLock(() => initialise(tools, newEpoch));
    actions.push("initialised");
  }
  const unseal = async (): Promise<Unsealed> => {
    const result = await unsealVault(tools);
    if (result.changed) actions.push("unsealed");
    return result;
  };
  if (store.epoch?.phase === "STORED") await commit(tools, unseal);
  const { clusterId, version } = await unseal();
  await store.recordTarget(target);
  return { actions, epoch: (store.epoch as Epoch).id, clusterId, version };
}

/**
 * What {@link ensure} would do now, in order, without doing it. What is missing in a Vault that is closed or new cannot
 * be looked at, and is not named.
 */
export async function planEnsure(
  tools: Tools,
  { credentials, removeConsumers, seed, newEpoch, repairRole: isRepair = false, ...wanted }: Omit<EnsureArgs, "target">,
): Promise<string[]> {
  await tools.store.load();
  const manifest = newEpoch ? undefined : await wantedSeed(tools, seed);
  if (manifest !== undefined) return [`restore the snapshot of ${manifest.taken} that the rebuild has brought`];
  const plan = await planOpening(tools, newEpoch);
  const isNew = plan.some((step) => step.includes("initialis"));
  if (isNew || tools.store.epoch?.rootToken) return [...plan, "set up the AppRole pulumi and revoke the root token"];
  // Without the AppRole nobody can look.
  if (isRepair) return [...plan, `write the AppRole ${PULUMI_ROLE} again if it is lost`];
  if (plan.includes("unseal")) return plan;
  const missing = await missingGroundwork(tools, credentials, wanted);
  const former = removeConsumers === true ? await findFormerConsumers(tools, credentials, wanted.readers) : [];
  return [...plan, ...missing.map((name) => `make the ${name}`), ...former.map((name) => `take the AppRole ${name}`)];
}

/** As {@link planEnsure}, for {@link initialiseAndOpen}. */
export async function planOpening(tools: Tools, newEpoch: boolean): Promise<string[]> {
  const { effects, store, vault } = tools;
  await store.load();
  if (await needsInitialisation(tools, newEpoch)) {
    const { epoch } = store;
    const isHalfDone = epoch?.phase === "INTENT";
    return [isHalfDone ? `finish the initialisation of epoch ${epoch.id}` : "initialise a new epoch", "unseal"];
  }
  const plan = (await waitForVault(vault, effects)).sealed ? ["unseal"] : [];
  return store.epoch?.phase === "STORED" ? [...plan, "commit the shares"] : plan;
}
