import { describe, expect, it } from "vitest";
import { EXIT, UserError } from "../../errors.ts";
import { deriveSecrets } from "../../keys/derive.ts";
import { ensure, initialiseAndOpen, planEnsure } from "../../unseal-helper/ensure.ts";
import { FakeVault } from "./fake-vault.ts";
import {
  CREDENTIALS,
  ENSURE,
  type Fault,
  FakeWorld,
  Killed,
  MASTER_KEY,
  READERS,
  SHARE_FILE,
  TARGET,
} from "./fake-world.ts";

const { vaultAppRole } = deriveSecrets(MASTER_KEY);

const GROUNDWORK = [
  "audit device file made",
  "audit device log made",
  "KV store foundation made",
  "login of jobs actions made",
  "secret id of backup made",
  "secret id of ci made",
];

const plan = (world: FakeWorld): Promise<string[]> => {
  const tools = world.tools();
  return planEnsure(tools, { ...ENSURE, seed: tools.seed, newEpoch: false });
};
const at =
  (k: number, how: ReturnType<Fault>): Fault =>
  (count) =>
    count === k ? how : undefined;

describe("ensure", () => {
  it("initialises in the order that survives crashes", async () => {
    const world = new FakeWorld();
    const result = await world.ensure();
    expect(result.actions).toEqual(["initialised", "unsealed", "bootstrapped", ...GROUNDWORK]);
    const login = ["POST auth/approle/login", "POST auth/token/revoke-self"];
    const write = ["write file", "read file"];
    expect(world.effects).toEqual([
      ...["read file", "read seed"],
      "read file",
      "GET sys/seal-status",
      "lock",
      "read file",
      "GET sys/seal-status",
      ...write, // INTENT
      "write marker",
      "initialise",
      ...write, // STORED
      "read file",
      "read marker",
      "write marker",
      "GET sys/seal-status",
      ...["PUT sys/unseal", "PUT sys/unseal", "PUT sys/unseal", "PUT sys/unseal"],
      ...["GET sys/health", "GET sys/seal-status"],
      "shred spool",
      ...write, // COMMITTED
      ...["GET sys/seal-status", "GET sys/health", "GET sys/seal-status"],
      ...write, // target
      "GET auth/token/lookup-self",
      "GET sys/auth",
      "POST sys/auth/approle",
      "POST sys/policies/acl/pulumi",
      "POST auth/approle/role/pulumi",
      "POST auth/approle/role/pulumi/role-id",
      "POST auth/approle/role/pulumi/secret-id/lookup",
      "POST auth/approle/role/pulumi/custom-secret-id",
      "POST auth/token/revoke-self",
      "GET auth/token/lookup-self",
      ...login,
      ...write, // root token forgotten
      "POST auth/approle/login",
      ...["GET sys/audit", "POST sys/audit/file", "GET sys/audit", "POST sys/audit/log"],
      ...["GET sys/mounts", "POST sys/mounts/foundation"],
      ...["GET sys/auth", "POST sys/auth/actions"],
      ...["backup", "ci"].flatMap((name) => [
        ...[`GET auth/approle/role/${name}`, `GET auth/approle/role/${name}`, `POST auth/approle/role/${name}`],
        `POST auth/approle/role/${name}/custom-secret-id`,
      ]),
      ...["GET foundation/config", "sleep", "GET foundation/config"],
      "POST auth/token/revoke-self",
    ]);
    expectDone(world);
  });

  it("changes nothing the second time", async () => {
    const world = new FakeWorld();
    await world.ensure();
    const before = world.file;
    expect((await world.ensure()).actions).toEqual([]);
    expect(world.file).toBe(before);
    expect(world.effects).toEqual([
      ...["read file", "read seed"],
      ...["read file", "GET sys/seal-status", "GET sys/seal-status", "GET sys/health", "GET sys/seal-status"],
      "POST auth/approle/login",
      ...["GET sys/audit", "GET sys/audit", "GET sys/mounts", "GET sys/auth"],
      ...["backup", "ci"].flatMap((name) => [
        `GET auth/approle/role/${name}`,
        `POST auth/approle/role/${name}/secret-id/lookup`,
      ]),
      "POST auth/token/revoke-self",
    ]);
  });

  it("takes the AppRoles of consumers that are no readers where it is asked to, and of nobody else", async () => {
    const world = new FakeWorld();
    const readers = { ...READERS, "consumer-alpha--2": vaultAppRole("consumer-alpha--2") };
    const former = ["consumer-alpha", "consumer-beta"];
    const everybody = [...former, "somebody"].map((name) => [name, vaultAppRole(name)]);
    const run = (args: object) =>
      world.run((tools) => ensure(tools, { ...ENSURE, seed: tools.seed, newEpoch: false, ...args }));
    await run({ readers: { ...readers, ...Object.fromEntries(everybody) } });
    // Nobody names consumers where only something else is put right.
    expect((await run({})).actions).toEqual([]);

    const removing = { readers, removeConsumers: true };
    const planned = await world.run((tools) =>
      planEnsure(tools, { ...ENSURE, seed: tools.seed, newEpoch: false, ...removing }),
    );
    expect(planned).toEqual(former.map((name) => `take the AppRole ${name}`));
    expect((await run(removing)).actions).toEqual(former.map((name) => `AppRole ${name} taken`));
    const groundwork = world.vault.storage?.groundwork;
    expect(groundwork?.removed).toEqual(former.flatMap((name) => [`policy ${name}`, `AppRole ${name}`]));
    expect([...(groundwork?.roles.keys() ?? [])]).toEqual(["backup", "ci", "consumer-alpha--2", "somebody"]);
    expect((await run(removing)).actions).toEqual([]);
  });

  it("takes up what init has left: a token that is sealed in the file", async () => {
    const world = new FakeWorld();
    const opened = await world.run((tools) => initialiseAndOpen(tools, { target: TARGET, newEpoch: false }));
    expect(opened.actions).toEqual(["initialised", "unsealed"]);
    expect(world.vault.storage?.hasData).toBe(false);
    expect(world.epochs()).toMatchObject([{ phase: "COMMITTED", rootToken: expect.any(String) as string }]);
    expect((await world.ensure()).actions).toEqual(["bootstrapped", ...GROUNDWORK]);
    expectDone(world);
  });

  it("opens a Vault that was restarted", async () => {
    const world = new FakeWorld();
    await world.ensure();
    world.vault.restart();
    expect((await world.ensure()).actions).toEqual(["unsealed"]);
    expectDone(world);
  });

  it.each(["full", "denied", "unsynced"] as const)(
    "tries the share file before it asks Vault for anything that comes only once (%s)",
    async (how) => {
      const world = new FakeWorld();
      await expect(world.ensure((_, name) => (name === "write file" ? how : undefined))).rejects.toThrow();
      expect(world.effects).not.toContain("initialise");
      expect(world.vault.storage).toBeUndefined();
      await world.ensure();
      expectDone(world);
    },
  );

  it("says what it would do and does not do it", async () => {
    const world = new FakeWorld();
    expect(await plan(world)).toEqual([
      "initialise a new epoch",
      "unseal",
      "set up the AppRole pulumi and revoke the root token",
    ]);
    expect(world.file).toBeUndefined();
    await world.ensure();
    world.vault.restart();
    expect(await plan(world)).toEqual(["unseal"]);
    expect(world.effects).toEqual([
      ...["read file", "read seed"],
      ...["read file", "GET sys/seal-status", "GET sys/seal-status"],
    ]);
    await world.ensure();
    expect(await plan(world)).toEqual([]);
    world.vault.storage?.groundwork.devices.delete("log/");
    world.vault.storage?.groundwork.logins.clear();
    world.vault.storage?.groundwork.roles.get("ci")?.clear();
    expect(await plan(world)).toEqual([
      "make the audit device log",
      "make the login of jobs actions",
      "make the secret id of ci",
    ]);
  });
});

// Hundreds of whole runs, on machines that may be busy.
describe("a crash", { timeout: 120_000 }, () => {
  it("after or before any effect is finished by the next run, and never costs data", async () => {
    const clean = new FakeWorld();
    await clean.ensure();
    const effects = clean.effects.length;
    for (let k = 1; k <= effects; k++) {
      for (const how of ["before", "after"] as const) {
        const world = new FakeWorld();
        await expect(world.ensure(at(k, how))).rejects.toThrow(Killed);
        await world.ensure();
        expectDone(world);
      }
    }
  });

  it("of the run that finishes is finished by the third: one in fifty of all pairs, every point in some", async () => {
    let schedules = 0;
    let wipes = 0;
    const first = new FakeWorld();
    await first.ensure();
    for (let k1 = 1; k1 <= first.effects.length; k1++) {
      for (let k2 = 1 + (k1 % 50); ; k2 += 50) {
        const world = new FakeWorld();
        await expect(world.ensure(at(k1, "after"))).rejects.toThrow(Killed);
        const second = await world.ensure(at(k2, "after")).catch((error: unknown) => error);
        if (!(second instanceof Killed)) break;
        await world.ensure();
        expectDone(world);
        schedules++;
        wipes += world.wipes;
      }
    }
    // bench/crash-schedules.ts tries every pair
    expect(schedules).toBeGreaterThan(20);
    expect(wipes).toBeGreaterThan(0);
  });

  it("between two clean runs of a restarted Vault changes nothing", async () => {
    for (let k = 1; k <= 12; k++) {
      const world = new FakeWorld();
      await world.ensure();
      world.vault.restart();
      await world.ensure(at(k, "after")).catch(() => undefined);
      await world.ensure();
      expectDone(world);
      expect(world.wipes).toBe(0);
    }
  });

  it("of the connection after Vault acted is an error, and finished by the next run", async () => {
    const clean = new FakeWorld();
    await clean.ensure();
    for (const [index, name] of clean.effects.entries()) {
      if (!/^(GET|PUT|POST) /.test(name)) continue;
      const world = new FakeWorld();
      // Where Vault is only waited for, the run itself tries again.
      await world.ensure(at(index + 1, "lost")).catch((error: unknown) => expect(error).toBeInstanceOf(UserError));
      await world.ensure();
      expectDone(world);
    }
  });
});

describe("a Vault that is not ours", () => {
  const refused = (message: string) => expect.objectContaining({ message, exitCode: EXIT.refused });

  it("is left alone: initialised, and no share file", async () => {
    const world = new FakeWorld();
    world.vault.answer({ method: "PUT", path: "sys/init", body: { secret_shares: 5, secret_threshold: 3 } });
    await expect(world.ensure()).rejects.toThrow(
      refused("vault: not the one this share file belongs to: it is initialised, the share file has no shares"),
    );
    expect(world.effects).toEqual(["read file", "read seed", "read file", "GET sys/seal-status"]);
    expect(world.file).toBeUndefined();
  });

  it("is never shown a share when it wants other numbers of them", async () => {
    const world = new FakeWorld();
    await world.ensure();
    world.vault = new FakeVault();
    world.vault.answer({ method: "PUT", path: "sys/init", body: { secret_shares: 5, secret_threshold: 3 } });
    await expect(world.ensure()).rejects.toThrow(/it wants 3 of 5 shares, epoch \S+ has 3 of 6$/);
    expect(world.effects).not.toContain("PUT sys/unseal");
  });

  it("is named when our shares do not open it", async () => {
    const world = new FakeWorld();
    const { epoch } = await world.ensure();
    world.vault = new FakeVault();
    world.vault.answer({ method: "PUT", path: "sys/init", body: { secret_shares: 6, secret_threshold: 3 } });
    await expect(world.ensure()).rejects.toThrow(refused(`vault: the shares of epoch ${epoch} do not open it`));
  });

  it("is refused when it has our shares and another identity", async () => {
    const world = new FakeWorld();
    const { clusterId } = await world.ensure();
    const other = "00000000-0000-4000-8000-000000000000";
    if (world.vault.storage) world.vault.storage.clusterId = other;
    await expect(world.ensure()).rejects.toThrow(
      refused(
        `vault: not the one this share file belongs to: its cluster id is ${other}, the share file says ${clusterId}`,
      ),
    );
  });

  it("is refused while an INTENT is pending and the volume carries another marker, or none", async () => {
    for (const marker of [undefined, "00000000-0000-4000-8000-000000000000 INTENT"]) {
      const world = await halfInitialised();
      world.marker = marker;
      await expect(world.ensure()).rejects.toMatchObject({ exitCode: EXIT.refused });
      expect(world.wipes).toBe(0);
      expect(world.vault.storage).toBeDefined();
    }
  });

  it("is refused to an old copy of the file that has stayed at INTENT", async () => {
    const world = await halfInitialised();
    const old = world.file;
    await world.ensure();
    world.file = old;
    await expect(world.ensure()).rejects.toThrow(
      /its volume carries the marker "\S+ STORED", the share file is at INTENT/,
    );
    expect(world.vault.storage?.hasData).toBe(true);
  });

  it("is refused when a second operator is initialising", async () => {
    const world = new FakeWorld();
    const fault: Fault = (_, name) => {
      if (name === "lock") world.locked = true;
      return undefined;
    };
    await expect(world.ensure(fault)).rejects.toThrow("vm: somebody else is at work on Vault");
    expect(world.file).toBeUndefined();
  });
});

describe("an empty Vault", () => {
  it("is not initialised again while the file has keys", async () => {
    const world = new FakeWorld();
    const { epoch } = await world.ensure();
    world.vault = new FakeVault();
    world.marker = undefined;
    await expect(world.ensure()).rejects.toMatchObject({
      message: `vault: empty, but the share file has the keys of epoch ${epoch}`,
      hint: "npx foundation vault restore FILE; or give its content up: npx foundation vault ensure --new-epoch",
      exitCode: EXIT.refused,
    });
    expect(world.vault.storage).toBeUndefined();
  });

  it("gets a new epoch on demand, and the old shares are kept for its snapshots", async () => {
    const world = new FakeWorld();
    const old = await world.ensure();
    world.vault = new FakeVault();
    world.marker = undefined;
    const fresh = await world.ensure(undefined, true);
    expect(fresh.epoch).not.toBe(old.epoch);
    const file = JSON.parse(world.file ?? "") as { epochs: { id: string; phase: string; shares: object[] }[] };
    expect(file.epochs.map(({ id, phase, shares }) => [id, phase, shares.length])).toEqual([
      [old.epoch, "COMMITTED", 6],
      [fresh.epoch, "COMMITTED", 6],
    ]);
    expect((await world.ensure(undefined, true)).actions).toEqual([]);
  });
});

describe("what Vault refuses to create twice", () => {
  it("is left as it is in a Vault that has everything, whoever made it", async () => {
    const world = new FakeWorld();
    await world.ensure();
    const { groundwork } = world.vault.storage ?? {};
    groundwork?.devices.delete("file/");
    groundwork?.roles.delete("ci");
    expect((await world.ensure()).actions).toEqual(["audit device file made", "secret id of ci made"]);
    expectDone(world);
  });

  it("is refused where something else is mounted in the store's place", async () => {
    for (const [type, options] of [
      ["kv", { version: "1" }],
      ["transit", null],
    ] as const) {
      const world = new FakeWorld();
      await world.ensure();
      world.vault.storage?.groundwork.mounts.set("foundation/", { type, options });
      await expect(world.ensure()).rejects.toMatchObject({
        message: `vault: foundation/ is a secret engine ${type}, not a KV store of version 2`,
        hint: "vault secrets move foundation/ ELSEWHERE/, then run again",
        exitCode: EXIT.refused,
      });
    }
  });

  it("is refused where jobs would log in by something else", async () => {
    const world = new FakeWorld();
    await world.ensure();
    world.vault.storage?.groundwork.logins.set("actions/", { type: "userpass" });
    await expect(world.ensure()).rejects.toMatchObject({
      message: "vault: auth/actions/ is a login by userpass, not by JWT",
      hint: "vault auth move auth/actions/ auth/ELSEWHERE/, then run again",
      exitCode: EXIT.refused,
    });
  });

  it("is waited for, but not for ever", async () => {
    const world = new FakeWorld();
    await world.ensure();
    const { groundwork } = world.vault.storage ?? {};
    groundwork?.mounts.delete("foundation/");
    const stuck: Fault = (_, name) => {
      if (name === "GET foundation/config" && groundwork) groundwork.upgrading = 2;
      return undefined;
    };
    await expect(world.ensure(stuck)).rejects.toThrow("vault: foundation/ is not ready after 30 s");
    expect(world.vault.storage?.tokens.size).toBe(0);
  });
});

describe("the AppRole", () => {
  it("that disappeared is named, with the way to bring it back", async () => {
    const world = new FakeWorld();
    await world.ensure();
    world.vault.storage?.secretIds.clear();
    await expect(world.ensure()).rejects.toMatchObject({
      message: "vault: the AppRole pulumi does not accept its derived credentials: it was removed or changed",
      hint: "find out by whom; to write it again: npx foundation vault ensure --repair-role",
      exitCode: EXIT.failed,
    });
  });

  it.each(["1.21.2", "2.1.2"])("that disappeared is written again on demand, on Vault %s", async (version) => {
    const world = new FakeWorld();
    world.vault.version = version;
    await world.ensure();
    world.vault.storage?.secretIds.clear();
    const args = { ...ENSURE, newEpoch: false, repairRole: true };
    const repair = () => world.run((tools) => ensure(tools, { ...args, seed: tools.seed }));
    expect(await world.run((tools) => planEnsure(tools, { ...args, seed: tools.seed }))).toEqual([
      "write the AppRole pulumi again if it is lost",
    ]);
    expect((await repair()).actions).toEqual(["repaired the AppRole pulumi"]);
    expectDone(world);
    expect(world.vault.openFamilies).toEqual([]);
    expect((await repair()).actions).toEqual([]);
    expect(world.effects).not.toContain("PUT sys/generate-root/attempt");
  });

  it("has a policy that covers everything but the keys to the house", async () => {
    const world = new FakeWorld();
    await world.ensure();
    const policy = world.vault.storage?.policies.get("pulumi") ?? "";
    const denied = [...policy.matchAll(/path "([^"]+)" \{\n {2}capabilities = \["deny"\]/g)].map(([, path]) => path);
    const families = [
      "raw",
      "seal",
      "step-down",
      "rekey",
      "rekey-recovery-key",
      "generate-root",
      "generate-recovery-token",
    ];
    expect(denied).toEqual([
      ...families.flatMap((family) => [`sys/${family}`, `sys/${family}/*`]),
      "sys/storage/raft/snapshot-force",
    ]);
  });
});

async function halfInitialised(): Promise<FakeWorld> {
  const world = new FakeWorld();
  const fault: Fault = (_, name) => (name === "initialise" ? "after" : undefined);
  await expect(world.ensure(fault)).rejects.toThrow(Killed);
  return world;
}

/** What must hold after every story that ends well. */
function expectDone(world: FakeWorld): void {
  const { storage, sealed } = world.vault;
  const file = world.file ?? "";
  const { epochs } = JSON.parse(file) as { epochs: { id: string; phase: string; rootToken: null }[] };
  expect(epochs).toHaveLength(1);
  expect(epochs[0]).toMatchObject({ phase: "COMMITTED", rootToken: null, clusterId: storage?.clusterId });
  expect(world.marker).toBe(`${epochs[0]?.id} STORED`);
  expect({ sealed, running: world.running }).toEqual({ sealed: false, running: true });
  expect(storage?.secretIds).toEqual(new Set([CREDENTIALS.secretId]));
  expect(storage?.groundwork).toMatchObject({
    devices: new Map([
      ["file/", "file"],
      ["log/", "file"],
    ]),
    roles: new Map(Object.entries(READERS).map(([name, { secretId }]) => [name, new Set([secretId])])),
  });
  expect(storage?.groundwork.mounts.get("foundation/")).toEqual({ type: "kv", options: { version: "2" } });
  // The root token is dead; a killed run may leave a role's token to its TTL, but never root.
  expect([...(storage?.tokens ?? [])].filter((token) => rootTokens(world).includes(token))).toEqual([]);
  const visible = [file, world.marker, ...world.log].join("\n");
  const secrets = [
    ...world.vault.secrets,
    MASTER_KEY.toString("hex"),
    MASTER_KEY.toString("base64"),
    CREDENTIALS.secretId,
  ];
  expect(secrets.filter((secret) => visible.includes(secret))).toEqual([]);
  expect(SHARE_FILE).toMatch(/shares\.json$/);
}

function rootTokens(world: FakeWorld): string[] {
  // A root token is followed by its base64 in the fake's list; a role's token is not.
  return world.vault.secrets.filter((value, index, all) => all[index + 1] === Buffer.from(value).toString("base64"));
}
