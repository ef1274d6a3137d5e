import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2 from "ssh2";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { EXIT } from "../errors.ts";
import type { SshTarget } from "../ssh-target.ts";
import { openVaultTunnel } from "../tunnel.ts";
import { newSshKey } from "./ssh-key.ts";

/** What reached the SSH server, in order. */
const seen: string[] = [];
const clients = new Set<ssh2.Connection>();
const key = newSshKey();
const hostKey = newSshKey();
const environmentPath = process.env.PATH;
let home: string;
let target: SshTarget;
let authenticates = true;

/** Stands for the VM: `cat` stays until its input ends, and Vault's port answers each line with itself in upper case. */
const vm = new ssh2.Server({ hostKeys: [hostKey.private] }, (client) => {
  clients.add(client);
  client.on("error", () => undefined);
  client.on("authentication", (attempt) => {
    if (authenticates) attempt.accept();
  });
  client.on("session", (accept) =>
    accept().on("exec", (acceptExec, _reject, { command }) => {
      seen.push(`exec ${command}`);
      acceptExec();
    }),
  );
  client.on("tcpip", (accept, _reject, { destIP, destPort }) => {
    seen.push(`forward ${destIP}:${String(destPort)}`);
    const channel = accept();
    channel.on("data", (data: Buffer) => channel.write(data.toString("latin1").toUpperCase(), "latin1"));
    channel.on("end", () => channel.end());
  });
});

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "tunnel-test-"));
  // ssh takes the home directory from the user database, so the key is offered by a wrapper on PATH.
  writeFileSync(join(home, "id"), key.private, { mode: 0o600 });
  writeFileSync(
    join(home, "ssh"),
    `#!/bin/sh\nexec /usr/bin/ssh -F /dev/null -i ${home}/id -o IdentitiesOnly=yes "$@"\n`,
  );
  chmodSync(join(home, "ssh"), 0o755);
  process.env.PATH = `${home}:${environmentPath ?? ""}`;
  vm.listen(0, "127.0.0.1");
  await once(vm, "listening");
  const { port } = vm.address() as AddressInfo;
  target = { address: "127.0.0.1", user: "root", port, hostKey: hostKey.public.split(" ").slice(0, 2).join(" ") };
});
beforeEach(() => {
  seen.length = 0;
  authenticates = true;
});
afterAll(() => {
  process.env.PATH = environmentPath;
  for (const client of clients) client.end();
  vm.close();
  rmSync(home, { recursive: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function tunnel(changes: Partial<SshTarget> = {}): Promise<number> {
  const port = await freePort();
  await openVaultTunnel({ ...target, ...changes }, port);
  return port;
}

/** Sends a text, then waits until the other end closes. */
async function ask(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.end(text, "latin1");
  return read(socket);
}

async function read(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "close");
  return Buffer.concat(chunks).toString("latin1");
}

describe("the tunnel to Vault", () => {
  it("contacts nobody before somebody uses it", async () => {
    const before = clients.size;
    await tunnel();
    await sleep(200);
    expect(clients.size).toBe(before);
    expect(seen).toEqual([]);
  });

  it("carries bytes both ways, all connections over one SSH session", async () => {
    const port = await tunnel();
    const before = clients.size;
    const answers = await Promise.all(["one", "two", "three"].map((text) => ask(port, text)));
    expect(answers).toEqual(["ONE", "TWO", "THREE"]);
    expect(await ask(port, "later")).toBe("LATER");
    expect(clients.size).toBe(before + 1);
    expect(seen.filter((line) => line === "exec cat")).toHaveLength(1);
    expect([...new Set(seen)].sort()).toEqual(["exec cat", "forward 127.0.0.1:8200"]);
  });

  it("carries large bodies unchanged", async () => {
    const port = await tunnel();
    const body = "ABCDEFG-".repeat(500_000);
    expect((await ask(port, body)) === body).toBe(true);
  });

  it("starts another SSH session when the first has ended", async () => {
    const port = await tunnel();
    expect(await ask(port, "first")).toBe("FIRST");
    for (const client of clients) client.end();
    await vi.waitFor(async () => expect(await ask(port, "second")).toBe("SECOND"), 5000);
    expect(seen.filter((line) => line === "exec cat")).toHaveLength(2);
  });

  it("sends nothing to a machine with another host key, and tries again each time", async () => {
    const other = newSshKey().public.split(" ").slice(0, 2).join(" ");
    const port = await tunnel({ hostKey: other });
    const before = clients.size;
    expect(await ask(port, "secret")).toBe("");
    expect(await ask(port, "secret")).toBe("");
    expect(clients.size).toBe(before + 2);
    expect(seen).toEqual([]);
  });

  it("outlives a client that goes away before the session stands", async () => {
    authenticates = false;
    const port = await tunnel();
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const before = clients.size;
    while (clients.size === before) await sleep(10);
    socket.resetAndDestroy();
    await sleep(200);
    for (const client of clients) client.end();
    authenticates = true;
    await vi.waitFor(async () => expect(await ask(port, "still here")).toBe("STILL HERE"), 5000);
  });

  it("refuses a port that somebody else has: it would be sent Vault's credentials", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    await expect(openVaultTunnel(target, port)).rejects.toMatchObject({
      name: "UserError",
      message: `vault tunnel: cannot listen on 127.0.0.1:${String(port)}: EADDRINUSE`,
      hint: "end the other run, or choose another port: pulumi config set foundation:vaultTunnelPort 18201",
      exitCode: EXIT.failed,
    });
    other.close();
  });

  it("does not keep the program alive, used or not", async () => {
    const program = `
      import { once } from "node:events";
      import { connect } from "node:net";
      import { openVaultTunnel } from "./tunnel.ts";
      const [target, unused, used] = JSON.parse(process.argv[1]);
      await openVaultTunnel(target, unused);
      await openVaultTunnel(target, used);
      const socket = connect(used, "127.0.0.1");
      socket.write("hello");
      const [answer] = await once(socket, "data");
      console.log(String(answer));
      socket.unref();`;
    const argument = JSON.stringify([target, await freePort(), await freePort()]);
    const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program, argument], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const output: string[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    expect([code, output.join("")]).toEqual([0, "HELLO\n"]);
  });
});
