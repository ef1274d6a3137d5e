import * as pulumi from "@pulumi/pulumi";
import * as vault from "@pulumi/vault";
import { Endpoint } from "@pulumi/vault/generic/index.js";
import { SecretV2 } from "@pulumi/vault/kv/index.js";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openDrivers } from "../../sandbox/engine/drivers/driver-set.ts";
import { destroy, preview, up, type Digest, type EngineOptions } from "../../sandbox/engine/engine.ts";
import { vaultArchive } from "./local-vault.ts";

// The engine's Vault drivers against a real Vault, from the ready-made part where there is one.

const archive = vaultArchive();
const ROOT = "root-of-the-test";
const directory = mkdtempSync(join(tmpdir(), "engine-vault-"));
const stateFile = join(directory, "state.json");

describe.skipIf(archive === undefined)("vault", () => {
  let server: ChildProcess | undefined;
  let address: string;

  beforeAll(async () => {
    execFileSync("tar", ["-xJf", archive ?? "", "-C", directory, "./bin/vault"]);
    const port = await freePort();
    address = `http://127.0.0.1:${port}`;
    server = spawn(
      join(directory, "bin/vault"),
      ["server", "-dev", "-dev-no-store-token", `-dev-root-token-id=${ROOT}`, `-dev-listen-address=127.0.0.1:${port}`],
      { stdio: "ignore" },
    );
    while (!(await fetch(`${address}/v1/sys/health`).catch(() => undefined))?.ok) await sleep(100);
    await api("POST", "sys/auth/approle", { type: "approle" });
    await api("PUT", "sys/policies/acl/all", {
      policy: 'path "*" { capabilities = ["create","read","update","delete","list","sudo"] }',
    });
    await api("POST", "auth/approle/role/pulumi", { token_policies: ["all"] });
    await api("POST", "auth/approle/role/pulumi/role-id", { role_id: "pulumi-role" });
    await api("POST", "auth/approle/role/pulumi/custom-secret-id", { secret_id: "pulumi-secret" });
    // As the unseal helper leaves it for the program.
    await api("POST", "sys/mounts/engine", { type: "kv", options: { version: "2" } });
    await api("POST", "auth/approle/role/reader", {});
    await api("POST", "auth/approle/role/reader/custom-secret-id", { secret_id: "reader-secret" });
  }, 60_000);
  afterAll(() => {
    server?.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(() => {
    rmSync(stateFile, { force: true });
  });

  async function api(method: string, path: string, body?: object) {
    const response = await fetch(`${address}/v1/${path}`, {
      method,
      headers: { "X-Vault-Token": ROOT },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    return { status: response.status, data: text === "" ? undefined : JSON.parse(text).data };
  }

  function program(change: { policy?: string; ttl?: number; password?: string } = {}) {
    return () => {
      const provider = new vault.Provider("vault", {
        address,
        authLogin: {
          path: "auth/approle/login",
          parameters: pulumi.secret({ role_id: "pulumi-role", secret_id: "pulumi-secret" }),
        },
        skipChildToken: true,
        skipGetVaultVersion: true,
      });
      new SecretV2(
        "password",
        {
          mount: "engine",
          name: "app/login",
          dataJson: pulumi.jsonStringify({ password: change.password ?? "first-password" }),
          disableRead: true,
        },
        { provider },
      );
      const policy = new vault.Policy(
        "reader",
        { name: "reader", policy: change.policy ?? 'path "engine/data/*" { capabilities = ["read"] }' },
        { provider },
      );
      const role = new Endpoint(
        "role",
        {
          path: "auth/approle/role/reader",
          dataJson: pulumi.jsonStringify({
            role_id: "reader-role",
            token_policies: [policy.name],
            token_ttl: change.ttl ?? 600,
          }),
          disableRead: true,
        },
        { provider },
      );
      new Endpoint(
        "kept",
        { path: "auth/approle/role/kept", dataJson: "{}", disableRead: true, disableDelete: true },
        { provider },
      );
      return { role: role.path };
    };
  }

  const run = (action: (options: EngineOptions) => Promise<Digest>, change = {}) => {
    const drivers = openDrivers({ projectDirectory: directory, environment: {} });
    const options = {
      program: program(change),
      stack: "sandbox",
      config: {},
      stateFile,
      passphrase: Buffer.from("e2e"),
      drivers,
    };
    return action(options).finally(() => {
      drivers.close();
    });
  };
  const failures = (digest: Digest) => digest.failures.map(({ message }) => message);
  const login = () => api("POST", "auth/approle/login", { role_id: "reader-role", secret_id: "reader-secret" });

  test("everything is made, works, is the same the second time, changes in place, and goes", async () => {
    const first = await run(up);
    expect(failures(first)).toEqual([]);
    expect(first.changes.create).toBe(5);
    expect(first.outputs).toEqual({ role: "auth/approle/role/reader" });
    // The secret id is older than the role's policy and id, and works with both.
    expect((await login()).status).toBe(200);
    expect((await api("GET", "engine/data/app/login")).data.data).toEqual({ password: "first-password" });
    expect((await run(up)).changes).toEqual({ create: 0, update: 0, replace: 0, delete: 0, same: 5 });

    const policy = 'path "engine/data/app/*" { capabilities = ["read"] }';
    const changed = await run(up, { policy, ttl: 0, password: "second-password" });
    expect(failures(changed)).toEqual([]);
    expect(changed.changes).toEqual({ create: 0, update: 3, replace: 0, delete: 0, same: 2 });
    expect((await api("GET", "engine/data/app/login")).data).toMatchObject({
      data: { password: "second-password" },
      metadata: { version: 2 },
    });
    expect((await api("GET", "auth/approle/role/reader")).data).toMatchObject({
      token_ttl: 0,
      token_policies: ["reader"],
    });
    expect((await api("GET", "sys/policies/acl/reader")).data.policy).toBe(policy);
    expect(JSON.stringify([first, changed])).not.toMatch(/first-password|second-password|reader-secret|pulumi-secret/);
  });

  test("without its state it converges against a Vault that has everything", async () => {
    await run(up);
    rmSync(stateFile);
    const blind = await run(up);
    expect(failures(blind)).toEqual([]);
    expect(blind.changes.create).toBe(5);
    expect((await login()).status).toBe(200);
    expect((await run(up)).changes).toMatchObject({ same: 5 });
  });

  test("what the program made goes with it", async () => {
    await run(up);
    expect(failures(await run(destroy))).toEqual([]);
    for (const path of ["sys/policies/acl/reader", "auth/approle/role/reader"]) {
      expect([path, (await api("GET", path)).status]).toEqual([path, 404]);
    }
    expect((await api("GET", "sys/mounts/engine")).status).toBe(200);
    expect((await api("GET", "auth/approle/role/kept")).status).toBe(200);
  });

  test("a sealed Vault is said to be sealed, and stands in the way of what concerns it only", async () => {
    expect(failures(await run(up))).toEqual([]);
    await api("PUT", "sys/seal");
    expect((await run(up)).changes).toMatchObject({ same: 5 });
    expect((await run(preview, { password: "x" })).result).toBe("succeeded");
    const digest = await run(up, { password: "x" });
    expect(digest.failures[0]).toMatchObject({ message: `vault ${address}: sealed`, exitCode: 2 });
  });

  test("a Vault that is not there", async () => {
    server?.kill();
    await sleep(500);
    const digest = await run(up);
    expect(digest.failures[0]).toMatchObject({
      message: expect.stringContaining(`vault ${address}: cannot be reached: connect ECONNREFUSED`),
      exitCode: 7,
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
