import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { remoteCommand } from "../../../../sandbox/engine/drivers/remote-command.ts";
import { SshPool } from "../../../../sandbox/engine/ssh-pool.ts";
import type { Properties } from "../../../../sandbox/engine/values.ts";
import { SshServer } from "../ssh-server.ts";

let server: SshServer;
let pool: SshPool;
beforeAll(async () => {
  server = await SshServer.start();
});
afterAll(() => {
  server.stop();
});
afterEach(() => {
  pool.close();
});

const context = { label: "remote command setup", name: "setup" };

function connection(change: Record<string, string | number> = {}): Properties {
  const { address, user, port, hostKey } = server.target;
  return { host: address, user, port, hostKey, dialErrorLimit: 5, perDialTimeout: 15, ...change };
}

function driver(agentSocket: string | undefined = server.agentSocket) {
  pool = new SshPool(agentSocket);
  return remoteCommand(pool);
}

const run = (inputs: Properties) => driver().create({ connection: connection(), ...inputs }, context);

test("runs the command with its input and keeps what it printed, less one line end", async () => {
  const created = await run({ create: "cat; echo; echo warning >&2", stdin: "hello" });
  expect(created).toEqual({
    id: expect.stringMatching(/^setup[0-9a-f]{8}$/),
    outputs: { stdout: "hello", stderr: "warning" },
  });
});

test("large input and output pass whole", async () => {
  const stdin = "0123456789abcdef".repeat(64 * 1024);
  const { outputs } = await run({ create: "cat", stdin });
  expect(outputs["stdout"]).toBe(stdin);
});

test("a command that does not read its input is judged by its exit code", async () => {
  expect((await run({ create: "exec <&-; true", stdin: "x".repeat(1_000_000) })).outputs["stdout"]).toBe("");
});

test("an update runs `update`, or `create` again; a deletion runs `delete`", async () => {
  const remote = driver();
  const inputs: Properties = {
    connection: connection(),
    create: "echo created",
    update: 'echo "was $PULUMI_COMMAND_STDOUT"',
  };
  const { id, outputs } = await remote.create(inputs, context);
  server.acceptEnvironment = ["PULUMI_COMMAND_STDOUT"];
  const existing = { id, inputs, outputs: { ...inputs, ...outputs } };
  expect(await remote.update?.(existing, inputs, [], context)).toMatchObject({ stdout: "was created" });
  const silent = { ...inputs, addPreviousOutputInEnv: false };
  expect(await remote.update?.(existing, silent, [], context)).toMatchObject({ stdout: "was " });
  expect(await remote.update?.(existing, { ...inputs, update: "" }, [], context)).toMatchObject({ stdout: "created" });
  const leaving = { ...existing, inputs: { ...inputs, delete: "echo bye >&2; exit 5" } };
  await expect(remote.remove?.(leaving, context)).rejects.toThrow("remote command setup: exit code 5\n  bye");
  await expect(remote.remove?.(existing, context)).resolves.toBeUndefined();
});

test("environment variables arrive, or it is said that the server does not take them", async () => {
  server.acceptEnvironment = ["MODE"];
  const create = "echo $MODE";
  expect((await run({ create, environment: { MODE: "fast" } })).outputs["stdout"]).toBe("fast");
  await expect(run({ create, environment: { OTHER: "x" } })).rejects.toThrow(
    "remote command setup: the SSH server does not accept the environment variable OTHER",
  );
});

test.each<[string, string, object]>([
  [
    "an error in the form of this repository's scripts is passed on",
    "echo preparing >&2; echo 'host disk: 3 GiB free, 20 are needed' >&2; echo 'hint: give the VM a larger disk' >&2; exit 9",
    { message: "host disk: 3 GiB free, 20 are needed", hint: "give the VM a larger disk", exitCode: 9 },
  ],
  [
    "with another exit code it is an ordinary one",
    "echo 'host: bad' >&2; echo 'hint: none' >&2; exit 42",
    { message: "remote command setup: exit code 42\n  host: bad\n  hint: none", exitCode: 1 },
  ],
  [
    "of a long output the end is shown",
    "for i in $(seq 30); do echo line $i >&2; done; exit 1",
    {
      message: `remote command setup: exit code 1${Array.from({ length: 12 }, (_, at) => `\n  line ${at + 19}`).join("")}`,
    },
  ],
  ["silence is said to be silence", "exit 3", { message: "remote command setup: exit code 3\n  (nothing on stderr)" }],
  ["a signal is named", "kill -9 $$", { message: "remote command setup: exit code 255\n  ended by signal SIGKILL" }],
])("%s", async (_what, create, error) => {
  await expect(run({ create })).rejects.toMatchObject({ name: "UserError", ...error });
});

test("all commands share one connection; a broken one is made again", async () => {
  const remote = driver();
  const inputs = { connection: connection(), create: "echo ok" };
  const before = server.logins;
  await Promise.all(Array.from({ length: 8 }, () => remote.create(inputs, context)));
  expect(server.logins - before).toBe(1);
  const broken = remote.create({ ...inputs, create: "sleep 5" }, context);
  setTimeout(() => {
    server.drop();
  }, 200);
  await expect(broken).rejects.toThrow("the SSH connection was lost");
  expect((await remote.create(inputs, context)).outputs["stdout"]).toBe("ok");
});

test("the time that customTimeouts allow ends the command", async () => {
  const started = performance.now();
  const limited = { ...context, signal: AbortSignal.timeout(200) };
  await expect(driver().create({ connection: connection(), create: "sleep 5" }, limited)).rejects.toThrow();
  expect(performance.now() - started).toBeLessThan(2000);
});

test("another host key than the pinned one is refused before the login", async () => {
  const before = server.logins;
  const hostKey = server.publicKey("user");
  await expect(run({ create: "true", connection: connection({ hostKey }) })).rejects.toMatchObject({
    message: expect.stringMatching(
      /^host tester@127\.0\.0\.1:\d+: shows the host key SHA256:[\w+/]{43}, pinned is SHA256:[\w+/]{43}$/,
    ),
    exitCode: 7,
  });
  expect(server.logins).toBe(before);
});

test("nobody listening is unreachable", async () => {
  await expect(run({ create: "true", connection: connection({ port: 1 }) })).rejects.toMatchObject({
    message: "host tester@127.0.0.1:1: cannot be reached: connect ECONNREFUSED 127.0.0.1:1",
    hint: "check that the VM runs and that SSH answers: ssh -p 1 tester@127.0.0.1 true",
    exitCode: 7,
  });
});

test("without an agent there is no login", async () => {
  pool = new SshPool(undefined);
  await expect(remoteCommand(pool).create({ connection: connection(), create: "true" }, context)).rejects.toMatchObject(
    {
      message: `host tester@127.0.0.1:${server.target.port}: no SSH agent to log in with`,
      exitCode: 7,
    },
  );
});

test.each<[Properties, string]>([
  [{ host: "h", user: "u" }, "remote command setup: connection: no host key is pinned"],
  [
    { host: "h", hostKey: "ssh-ed25519 AAAA", password: "p", privateKey: "k" },
    "remote command setup: connection: the sandbox's engine does not know password, privateKey",
  ],
])("the connection %j is refused at the preview", (given, message) => {
  expect(() => driver().check?.({ connection: given }, context)).toThrow(message);
});
