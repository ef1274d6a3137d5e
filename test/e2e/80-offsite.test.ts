import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SecureVersion } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundle } from "../../components/secret-files.ts";
import type { Offsite } from "../../config.ts";
import { deriveSecrets, type DerivedSecrets } from "../../keys/derive.ts";
import { openKeyFile } from "../../keys/keyfile.ts";
import { passphraseFrom } from "../../keys/passphrase.ts";
import { sshArguments } from "../../ssh-target.ts";
import { cutOffKeys } from "./backup-job.ts";
import { engine, files, foundation, onVm, readConfig, run, sandbox, until, writeConfig, type Ended } from "./rig.ts";

const BASE = "/var/lib/foundation-offsite";
const SCRIPT = "/usr/local/lib/foundation/offsite";
const PORT = 8000;
let target: Offsite;
let keys: DerivedSecrets;
let vmId: string;
/** the account that the VM has now */
let account: { user: string; password: string };

beforeAll(async () => {
  target = readConfig()["foundation:offsite"] as Offsite;
  const passphrase = passphraseFrom({ PULUMI_CONFIG_PASSPHRASE_FILE: files.passphrase }, readFileSync);
  keys = deriveSecrets(await openKeyFile({ path: files.keyFile, passphrase }));
  vmId = (await onVm("cat /etc/foundation/vm-id")).trim();
  account = { user: keys.offsite.username, password: keys.offsite.password(vmId) };
  // A backup that begins while things are being broken here would be broken too.
  await onVm("docker stop backup 2>/dev/null || true");
  await onVm(
    "umask 077; mkdir -p /run/offsite-test; cat >/run/offsite-test/ca.pem",
    readFileSync(files.certificate, "utf8"),
  );
  await onVm("cat >/run/offsite-test/password", keys.restic.password);
});
afterAll(async () => {
  await onVm("rm -rf /run/offsite-test; docker start backup 2>/dev/null || true");
});

function onOffsite(command: string, input = ""): Promise<Ended> {
  return run(["ssh", ...sshArguments(target), command], { input });
}

async function readOffsite(command: string): Promise<string> {
  const { code, stdout, stderr } = await onOffsite(command);
  expect(code, `${command}: ${stderr}`).toBe(0);
  return stdout;
}

/** restic on the VM with what the VM has, and nothing else. */
async function restic(args: string, input = ""): Promise<Ended> {
  const image = (readConfig()["foundation:images"] as Record<string, string>).restic ?? "";
  const target = `rest:https://${account.user}:${account.password}@${offsiteAddress()}/${account.user}/`;
  const options = "--cacert /t/ca.pem --password-file /t/password --no-cache";
  const argv = `docker run --rm -i --hostname test-$RANDOM -v /run/offsite-test:/t ${image} -r ${target} ${options} ${args}`;
  return run(["ssh", ...sshArguments(readConfig()["foundation:host"] as Offsite), argv], { input });
}

const offsiteAddress = (): string => `${target.address}:${String(PORT)}`;

/** Makes a snapshot and returns its id. */
async function snapshot(tag: string, options = "", size = 16): Promise<string> {
  const name = tag === "commit" ? "commit.json" : "content";
  const args = `backup --json --host foundation --tag ${tag} ${options} --stdin --stdin-filename ${name}`;
  const { code, stdout, stderr } = await restic(args, `${tag} ${randomBytes(size).toString("hex")}`);
  expect(code, stderr).toBe(0);
  return /"snapshot_id":"([0-9a-f]{64})"/.exec(stdout)?.[1] ?? "";
}

async function listIds(): Promise<string[]> {
  const { code, stdout, stderr } = await restic("snapshots --json --no-lock");
  expect(code, stderr).toBe(0);
  return ((JSON.parse(stdout) as { id: string }[] | null) ?? []).map(({ id }) => id);
}

interface Answer {
  readonly status: number | undefined;
  readonly protocol: string;
}

/** One HTTPS request from this machine, with the CA that the sites have. */
function ask(
  method: string,
  path: string,
  options: { auth?: string; body?: string; maxVersion?: SecureVersion; ca?: string } = {},
): Promise<Answer> {
  const { auth = `${account.user}:${account.password}`, body, maxVersion, ca } = options;
  return new Promise((resolve, reject) => {
    const [host, port] = offsiteAddress().split(":");
    const sent = request(
      { method, host, port, path, auth, ca: ca ?? readFileSync(files.certificate), maxVersion, agent: false },
      (response) => {
        const protocol = (response.socket as unknown as { getProtocol: () => string }).getProtocol();
        response.resume().on("end", () => {
          resolve({ status: response.statusCode, protocol });
        });
      },
    );
    sent.on("error", reject).end(body);
  });
}

const status = async (...args: Parameters<typeof ask>) => (await ask(...args)).status;
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** What the program hands to the offsite, for a VM of one's choice. */
async function serve(id: string, maxBytes = 0, certificatePem?: string): Promise<Ended> {
  const [certificate, server, restic] = await Promise.all([
    readOffsite(`cat ${BASE}/tls/cert.pem`),
    readOffsite("docker inspect -f '{{.Config.Image}}' offsite"),
    readOffsite(`cat ${BASE}/restic-image`),
  ]);
  const input = bundle({
    "cert.pem": certificatePem ?? certificate,
    "key.pem": keys.offsite.serverKeyPem,
    password: `${keys.offsite.password(id)}\n`,
    restic_password: `${keys.restic.password}\n`,
    vm_id: id,
  });
  return onOffsite(
    `${SCRIPT} serve ${keys.ownerId} ${String(PORT)} ${server.trim()} ${restic.trim()} ${String(maxBytes)} 15`,
    input,
  );
}

const keyOfRepository = async (): Promise<string> => (await readOffsite(`ls ${BASE}/data/${account.user}/keys`)).trim();

/** Everything on the offsite by path, inode and time of change, and since when its server runs. */
const fingerprint = (): Promise<string> =>
  readOffsite(
    `find ${BASE} /usr/local/lib/foundation -type f -printf '%p %i %T@ %m %U\\n' | sort;` +
      " docker inspect -f '{{.Id}} {{.State.StartedAt}}' offsite",
  );

/** A copy of the rig's stack, which may come to nothing. */
async function withCopy(
  config: Readonly<Record<string, unknown>>,
  use: (stack: { state: string; config: string }) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "foundation-offsite-"));
  const stack = { state: join(directory, "state.json"), config: join(directory, "Pulumi.sandbox.yaml") };
  try {
    copyFileSync(files.state, stack.state);
    writeConfig(stack.config, config);
    await use(stack);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe("the server", () => {
  test("speaks TLS 1.3 only, with a certificate of the foundation's CA for its address", async () => {
    expect(await ask("GET", `/${account.user}/config`)).toEqual({ status: 200, protocol: "TLSv1.3" });
    await expect(ask("GET", "/", { maxVersion: "TLSv1.2" })).rejects.toThrow(/protocol version/);
    await expect(ask("GET", "/", { ca: keys.forgejo.sshHostKeys.ed25519.publicKey })).rejects.toThrow();
  });

  test("lets in nobody but the VM, and the VM nowhere but to its own", async () => {
    expect(await status("GET", `/${account.user}/config`, { auth: `${account.user}:wrong` })).toBe(401);
    expect(await status("GET", `/${account.user}/config`, { auth: `somebody:${account.password}` })).toBe(401);
    expect(await status("GET", `/${account.user}/config`, { auth: "" })).toBe(401);
    expect(await status("GET", "/somebody/config")).toBe(401);
    expect(await status("POST", "/somebody/?create=true")).toBe(401);
  });

  test("runs without any privilege", async () => {
    const format =
      "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}";
    expect(await readOffsite(`docker inspect -f '${format}' offsite`)).toBe(
      "1000:1000 true [ALL] [no-new-privileges]\n",
    );
    expect(await readOffsite(`stat -c '%a %u' ${BASE} ${BASE}/tls/* ${BASE}/data`)).toBe(
      "700 0\n400 1000\n400 1000\n400 1000\n700 1000\n",
    );
  });

  test("shows no secret to whoever lists processes, containers or logs", async () => {
    const shown = await readOffsite(
      "docker inspect $(docker ps -aq); docker logs offsite 2>&1; ps axww -o args; journalctl -q",
    );
    for (const secret of [account.password, keys.restic.password]) expect(shown).not.toContain(secret);
    const clear = await readOffsite(`grep -rlF -e ${keys.restic.password} -e ${account.password} ${BASE} /run || true`);
    expect(clear).toBe("");
  });
});

test("watches whether backups arrive, and tells the operator's program when they stay away", async () => {
  expect(await readOffsite("systemctl is-active foundation-offsite-watch.timer")).toBe("active\n");
  await snapshot("set");
  const watch = () => onOffsite(`systemctl start foundation-offsite-watch.service`);
  const told = `${BASE}/tmp/told`;
  await readOffsite(`printf '#!/bin/sh\necho "$1" >>${told}\n' >${BASE}/alarm; chmod 0700 ${BASE}/alarm`);
  const every = (await readOffsite(`cat ${BASE}/every-minutes`)).trim();
  try {
    expect((await watch()).code).toBe(0);
    await readOffsite(`echo -1 >${BASE}/every-minutes`);
    expect((await watch()).code).not.toBe(0);
    expect((await watch()).code).not.toBe(0);
    expect(await readOffsite("journalctl -q -u foundation-offsite-watch -n 20 -o cat")).toMatch(
      /^offsite: late: the newest backup is 0 min old, and one is due every -1 min$/m,
    );
    await readOffsite(`echo ${every} >${BASE}/every-minutes`);
    expect((await watch()).code).toBe(0);
    expect(await readOffsite(`cat ${told}`)).toBe("late\nok\n");
  } finally {
    await readOffsite(`rm -f ${BASE}/alarm ${told}; echo ${every} >${BASE}/every-minutes`);
  }
});

describe("append-only", () => {
  test("with the VM's credential nothing can be taken away or changed", async () => {
    const id = await snapshot("set");
    const forgotten = await restic(`forget ${id}`);
    expect(forgotten.code).not.toBe(0);
    expect(forgotten.stderr).toContain("403 Forbidden");
    const key = await keyOfRepository();
    for (const path of [`snapshots/${id}`, `keys/${key}`, "config"]) {
      expect(await status("DELETE", `/${account.user}/${path}`)).toBe(403);
      expect(await status("POST", `/${account.user}/${path}`, { body: "x" })).toBe(403);
    }
    expect(await status("DELETE", `/${account.user}/`)).toBeGreaterThanOrEqual(400);
    expect(await listIds()).toContain(id);
    expect((await restic(`dump --no-lock ${id} /content`)).stdout).toMatch(/^set [0-9a-f]{32}$/m);
  });
});

test("the server comes back after a reboot of its host", async () => {
  expect((await sandbox(["stop", "offsite"])).code).toBe(0);
  expect((await sandbox(["start", "offsite"])).code).toBe(0);
  await until("the server answers", 60, async () => (await status("GET", `/${account.user}/config`)) === 200);
});

describe("installation", () => {
  test("a second time changes nothing", async () => {
    const before = await fingerprint();
    expect(await serve(vmId)).toMatchObject({ code: 0, stdout: `${await keyOfRepository()}\n` });
    expect(await fingerprint()).toBe(before);
    expect((await engine(["up"])).stdout).toMatch(/^up: \d+ unchanged/m);
  });

  test("as a user who is not root changes nothing either", async () => {
    const before = await readOffsite("docker inspect -f '{{.Id}} {{.State.StartedAt}}' offsite");
    const config = { ...readConfig(), "foundation:offsite": { ...target, user: "debian" } };
    await withCopy(config, async (stack) => {
      const up = await engine(["up"], stack);
      expect(up.code, up.stderr).toBe(0);
      expect(up.stdout).toMatch(/^up: 2 updated, \d+ unchanged/m);
    });
    expect(await readOffsite("docker inspect -f '{{.Id}} {{.State.StartedAt}}' offsite")).toBe(before);
  });

  test("takes in no more than it may, and gives back what it has", async () => {
    const id = await snapshot("set");
    try {
      expect(await serve(vmId, 1000)).toMatchObject({ code: 0 });
      const full = await restic("backup --stdin --stdin-filename big --host foundation --tag set", "x".repeat(5000));
      expect(full.code).not.toBe(0);
      expect(full.stderr).toContain("507 Insufficient Storage");
      expect(await listIds()).toContain(id);
      expect((await restic(`dump --no-lock ${id} /content`)).code).toBe(0);
    } finally {
      expect(await serve(vmId)).toMatchObject({ code: 0 });
    }
  });

  test("finds what is there when Pulumi's state is lost: a new certificate, the same repository and generation", async () => {
    await withCopy(readConfig(), async (stack) => {
      const state = JSON.parse(readFileSync(stack.state, "utf8")) as { resources: { urn: string }[] };
      const kept = state.resources.filter(
        ({ urn }) => !/[:$]Offsite|offsite-/.test(urn.replace(/.*sandbox::foundation::/, "")),
      );
      writeFileSync(stack.state, JSON.stringify({ ...state, resources: kept }), { mode: 0o600 });
      const held = () => readOffsite(`cat ${BASE}/*.jsonl ${BASE}/*.json; find ${BASE}/data -type f | sort`);
      const before = await held();
      const certificate = await readOffsite(`cat ${BASE}/tls/cert.pem`);
      const up = await engine(["up"], stack);
      expect(up.code, up.stderr).toBe(0);
      expect(await held()).toBe(before);
      expect(await readOffsite(`cat ${BASE}/tls/cert.pem`)).not.toBe(certificate);
      expect(await status("GET", `/${account.user}/config`)).toBe(200);
      // The state that was not lost knows the first one.
      expect(await serve(vmId, 0, certificate)).toMatchObject({ code: 0 });
    });
  });

  test("is refused where something else is", async () => {
    const check = (owner: string, port: number) => onOffsite(`${SCRIPT} check ${owner} ${String(port)}`);
    expect(await check(keys.ownerId, PORT)).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await check("0123456789abcdef", PORT)).toEqual({
      code: 8,
      stdout: "",
      stderr:
        `offsite: ${BASE} holds backups of another foundation (${keys.ownerId}), not of 0123456789abcdef\n` +
        `hint: choose another offsite; or, if they may go: mv ${BASE} ${BASE}.before (on the offsite)\n`,
    });
    expect(await check(keys.ownerId, 22)).toEqual({
      code: 9,
      stdout: "",
      stderr:
        "offsite: port 22 is taken\n" +
        "hint: pulumi config set --path foundation:offsite.restPort 8001; who it is: ss -ltnp sport = :22\n",
    });
  });

  test("does not take a repository that was wiped for a new one", async () => {
    const repository = `${BASE}/data/${account.user}`;
    const marker = await readOffsite(`cat ${BASE}/repository.json; mv ${repository} ${BASE}/data/.wiped`);
    try {
      expect(await serve(vmId)).toEqual({
        code: 8,
        stdout: "",
        stderr:
          `offsite: the repository of backups is gone from ${repository}; there was one: ${marker}` +
          `hint: find out who removed it; to begin a new one without any backup: rm ${BASE}/repository.json (on the offsite)\n`,
      });
    } finally {
      await readOffsite(`mv ${BASE}/data/.wiped ${repository}`);
    }
  });
});

describe("a VM that was replaced", () => {
  const successor = randomBytes(16).toString("hex");

  test("is locked out by its successor, cannot come back by itself, and can be told to", async () => {
    const generations = `${BASE}/generations.jsonl`;
    const before = await readOffsite(`cat ${generations}`);
    const locks = `${BASE}/data/${account.user}/locks`;
    await readOffsite(`echo left behind >${locks}/${"0".repeat(64)}`);
    expect(await serve(successor)).toMatchObject({ code: 0 });
    expect(await readOffsite(`ls ${locks}`)).toBe("");
    expect(await status("GET", `/${account.user}/config`)).toBe(401);
    expect(
      await status("GET", `/${account.user}/config`, { auth: `${account.user}:${keys.offsite.password(successor)}` }),
    ).toBe(200);

    const last = (await readOffsite(`tail -n 1 ${generations}`)).trim();
    expect(await serve(vmId)).toEqual({
      code: 8,
      stdout: "",
      stderr:
        `offsite: this VM was replaced by another one, which backs up here now: ${last}\n` +
        `hint: deploy to that one; if this VM is to take over again: sed -i /${vmId}/d ${generations} (on the offsite)\n`,
    });
    expect(await status("GET", `/${account.user}/config`)).toBe(401);

    await readOffsite(`sed -i /${vmId}/d ${generations}`);
    expect(await serve(vmId)).toMatchObject({ code: 0 });
    expect(await status("GET", `/${account.user}/config`)).toBe(200);
    const numbers = (text: string) => Number(/"generation":(\d+)[^\n]*\n?$/.exec(text)?.[1]);
    expect(numbers(await readOffsite(`cat ${generations}`))).toBe(numbers(before) + 2);
  });
});

describe("foundation offsite", () => {
  const offsite = (...args: string[]) => foundation(["offsite", ...args]);
  const past = (time: string) => `--time '2026-09-01 ${time}'`;

  test("status says what is there", async () => {
    const { stdout } = await offsite("status", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ owner: keys.ownerId, server: "running", hasRepository: true });
  });

  test("prune refuses snapshots with forged times, and thins out whole backups once they are trusted", async () => {
    const morning = await snapshot("set", past("09:00:00"));
    const evening = await snapshot("set", past("21:00:00"));
    const forged = [
      morning,
      await snapshot("commit", `--tag set-${morning} ${past("09:01:00")}`),
      evening,
      await snapshot("commit", `--tag set-${evening} ${past("21:01:00")}`),
    ];
    const refused = await offsite("prune", "--yes");
    expect(refused.code).toBe(8);
    const lines = refused.stderr.trim().split("\n");
    expect(lines[0]).toMatch(
      new RegExp(
        `^error: offsite: snapshot ${forged[0]?.slice(0, 8) ?? ""} says 2026-09-01T09:00:00Z, and was written 20`,
      ),
    );
    expect(lines.at(-1)).toBe(
      "hint: if the VM was broken into: npx foundation offsite quarantine --help; if you know why: --trust " +
        (forged[0]?.slice(0, 8) ?? ""),
    );
    const trust = ["--trust", ...forged];
    expect(await offsite("prune", ...trust)).toMatchObject({ code: 8 });
    const before = await listIds();
    const pruned = await offsite("prune", "--yes", "--json", ...trust);
    expect(pruned.code, pruned.stderr).toBe(0);
    const { forget } = JSON.parse(pruned.stdout) as { forget: string[] };
    expect(forget.toSorted()).toEqual(forged.slice(0, 2).toSorted());
    expect((await listIds()).toSorted()).toEqual(before.filter((id) => !forget.includes(id)).toSorted());
    // Nobody would believe the others later either.
    await onOffsite(`${SCRIPT} restic forget ${forged.slice(2).join(" ")}`, `${keys.restic.password}\n`);
    expect(await offsite("check", "--read-data-subset", "1/1")).toMatchObject({
      code: 0,
      stdout: "offsite: no errors were found\n",
    });
  });

  test("quarantine cures garbage that was put there with the VM's credential", async () => {
    const good = await snapshot("set");
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const after = new Date(Date.now() - 1000).toISOString();
    const put = async (kind: string, garbage: string): Promise<void> => {
      expect(await status("POST", `/${account.user}/${kind}/${sha256(garbage)}`, { body: garbage })).toBe(200);
    };
    const there = await readOffsite(`ls ${BASE}/data/${account.user}/keys`);
    for (const { key } of cutOffKeys(2, there.trim().split("\n"))) await put("keys", key);
    expect((await restic("snapshots")).stderr).toContain("Fatal: crypto.KDF: scrypt()");
    expect((await offsite("prune", "--dry-run")).code).toBe(0);
    for (const kind of ["index", "snapshots", "locks"]) await put(kind, `garbage in ${kind}`);
    const prune = await offsite("prune", "--dry-run");
    expect([prune.code, prune.stderr.replace(/20\d\d-\S+Z/g, "TIME")]).toEqual([
      8,
      `error: offsite: snapshot ${sha256("garbage in snapshots").slice(0, 8)} cannot be read; it was written TIME\n` +
        "hint: npx foundation offsite quarantine --after TIME --dry-run\n",
    ]);

    const dry = await offsite("quarantine", "--after", after, "--dry-run", "--json");
    expect(dry.code, dry.stderr).toBe(0);
    const found = (JSON.parse(dry.stdout) as { files: { kind: string; name: string }[] }).files;
    const kinds = found.map(({ kind }) => kind).sort();
    expect(kinds).toEqual(["index", "keys", "keys", "locks", "snapshots"]);
    const unconfirmed = await offsite("quarantine", "--after", after);
    expect(unconfirmed.code).toBe(8);
    expect(unconfirmed.stderr).toContain("hint: look at it with --dry-run, do it with --yes");
    const done = await offsite("quarantine", "--after", after, "--yes");
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toMatch(
      /^offsite: 2 keys, 1 locks, 1 index, 1 snapshots newer than \S+, now in \/var\/lib\/foundation-offsite\/quarantine\/\w+ on/,
    );

    expect(await listIds()).toContain(good);
    expect((await offsite("check")).code).toBe(0);
    expect((await restic(`dump ${good} /content`)).code).toBe(0);
  });

  test("check finds a flipped bit where it reads the data, and a missing pack in any case", async () => {
    await snapshot("set", "", 2 ** 20);
    // The largest holds content; one with directories is read by every check.
    const packs = await readOffsite(`find ${BASE}/data/${account.user}/data -type f -printf '%s %p\\n' | sort -n`);
    const [path, copy] = [packs.trim().split("\n").at(-1)?.split(" ")[1] ?? "", `${BASE}/tmp/pack`];
    await readOffsite(
      `cp -p ${path} ${copy} && chmod u+w ${path} && printf x | dd of=${path} bs=1 seek=20 conv=notrunc`,
    );
    try {
      expect((await offsite("check")).code).toBe(0);
      expect((await offsite("check", "--read-data-subset", "1/1")).code).toBe(1);
      await readOffsite(`rm ${path}`);
      const missing = await offsite("check");
      expect([missing.code, missing.stderr]).toEqual([
        1,
        `offsite: checking the structure …
error: offsite: Fatal: repository contains errors
hint: garbage from outside is moved aside by: npx foundation offsite quarantine --help; of a damaged disk, older backups may be whole: npx foundation backup list
`,
      ]);
    } finally {
      await readOffsite(`rm -f ${path}; mv ${copy} ${path}`);
    }
    expect((await offsite("check", "--read-data-subset", "1/1")).code).toBe(0);
  });

  test("quarantine does not go back behind a prune", async () => {
    const { code, stderr } = await offsite("quarantine", "--after", "2026-01-01T00:00:00Z", "--yes");
    expect(code).toBe(8);
    expect(stderr).toMatch(
      /^error: offsite: there was a prune at 20\S+, which rewrote what older backups consist of$/m,
    );
  });
});
