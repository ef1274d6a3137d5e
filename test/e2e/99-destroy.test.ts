import { expect, test } from "vitest";
import { engine, foundation, onVm, sandbox } from "./rig.ts";

const VOLUMES = [
  "backup-data",
  "caddy-data",
  "forgejo-data",
  "postgres-data",
  "rustfs-data",
  "vault-data",
  "vault-logs",
];

async function volumes(): Promise<string[]> {
  return (await onVm("docker volume ls -q | sort")).trim().split("\n");
}

test("destroy refuses while something is protected", async () => {
  const { code, stderr, stdout } = await engine(["destroy"]);
  expect(code).not.toBe(0);
  expect(stdout + stderr).toMatch(/protected/);
  expect((await foundation(["verify", "tls", "ports"])).code).toBe(0);
});

test("destroy leaves the volumes, and up finds the data in them", async () => {
  await onVm(
    "docker exec postgres psql -qU postgres -d forgejo -c 'CREATE TABLE kept AS SELECT 42 AS answer'; docker exec forgejo sh -c 'echo kept > /var/lib/gitea/kept'",
  );
  const { code, stdout, stderr } = await engine(["destroy", "--unprotect"]);
  expect(code, stdout + stderr).toBe(0);
  expect((await onVm("docker ps -aq")).trim()).toBe("");
  expect(await volumes()).toEqual(VOLUMES);

  const up = await engine(["up"]);
  expect(up.code, up.stdout + up.stderr).toBe(0);
  expect(await onVm("docker exec postgres psql -AtqU postgres -d forgejo -c 'SELECT answer FROM kept'")).toBe("42\n");
  expect(await onVm("docker exec forgejo cat /var/lib/gitea/kept")).toBe("kept\n");
  expect((await foundation(["verify"])).code).toBe(0);
});

test("sandbox destroy leaves nothing behind", async () => {
  expect((await sandbox(["destroy"])).code).toBe(0);
});
