import * as pulumi from "@pulumi/pulumi";
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../../errors.ts";
import { takeLock } from "../../../sandbox/engine/lock.ts";
import { Group, PASSPHRASE, Thing, World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => {
  world.dispose();
});

const messages = (digest: { failures: readonly { message: string }[] }) =>
  digest.failures.map(({ message }) => message);

describe("a failed resource", () => {
  const program = (fail?: string) => () => {
    const bad = new Thing("bad", { key: "bad", ...(fail ? { fail } : {}) });
    const group = new Group("group");
    const made = new Thing("made", { key: "made", value: bad.serial }, { parent: group });
    new Thing("child", { key: "child" }, { parent: made });
    new Thing("waits", { key: "waits" }, { dependsOn: group });
    const good = new Thing("good", { key: "good", sleepMs: 30 });
    const after = new Thing("after-good", { key: "after-good", value: good.serial });
    return { bad: bad.serial, good: after.serial };
  };

  test("stops what depends on it, and nothing else", async () => {
    const digest = await world.up(program("out of luck"));
    expect(digest.result).toBe("failed");
    expect(digest.failures).toEqual([
      {
        subject: { name: "bad", type: "test:index:Thing", urn: expect.stringContaining("::bad") },
        message: "thing: out of luck",
        hint: "mend it",
        exitCode: 1,
      },
    ]);
    expect(world.things).toEqual(["after-good=good-1", "good="]);
    expect(
      digest.steps
        .filter(({ status }) => status === "skipped")
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(["child", "made", "waits"]);
    expect(digest.outputs).toEqual({ bad: "output<string>", good: "after-good-1" });
  });

  test("stops the children of a component that waits for it", async () => {
    const digest = await world.up(() => {
      const bad = new Thing("bad", { key: "bad", fail: "out of luck" });
      const group = new Group("group", { dependsOn: bad });
      new Thing("child", { key: "child" }, { parent: group });
    });
    expect(digest.failures.map(({ subject }) => subject?.name)).toEqual(["bad"]);
    expect(world.things).toEqual([]);
  });

  test("is tried again by the next run, together with what it stopped", async () => {
    await world.up(program("out of luck"));
    world.takeCalls();
    const digest = await world.up(program());
    expect(digest.result).toBe("succeeded");
    expect(world.takeCalls()).toEqual(["create bad", "create made", expect.any(String), expect.any(String)]);
    expect(digest.changes).toEqual({ create: 4, update: 0, replace: 0, delete: 0, same: 2 });
    expect(digest.outputs).toEqual({ bad: "bad-1", good: "after-good-1" });
  });

  test("keeps what left the program from being deleted: it may be that the program did not get that far", async () => {
    await world.up(() => void new Thing("old", { key: "old" }));
    await world.up(program("out of luck"));
    expect(world.things).toContain("old=");
    await world.up(program());
    expect(world.things).not.toContain("old=");
  });

  test("during an update keeps the old inputs, and is updated again", async () => {
    const thing = (args: object) => () => void new Thing("thing", { key: "a", ...args });
    await world.up(thing({ value: "1" }));
    await world.up(thing({ value: "2", fail: "no" }));
    world.takeCalls();
    await world.up(thing({ value: "1" }));
    expect(world.takeCalls()).toEqual(["update () a"]);
    expect(world.things).toEqual(["a=1"]);
  });

  test("during a replacement without deleteBeforeReplace leaves the old object as it was", async () => {
    const thing = (args: { key: string; fail?: string }) => () => void new Thing("thing", args);
    await world.up(thing({ key: "a" }));
    await world.up(thing({ key: "b", fail: "no" }));
    expect(world.things).toEqual(["a="]);
    world.takeCalls();
    await world.up(thing({ key: "a" }));
    // the begun object is removed in case it exists after all
    expect(world.takeCalls()).toEqual(["remove b"]);
    expect(world.state.resources).toHaveLength(1);
  });

  test("that cannot be deleted keeps what it depends on", async () => {
    await world.up(() => {
      const a = new Thing("a", { key: "a" });
      new Thing("b", { key: "b" }, { dependsOn: a });
    });
    const recorded = JSON.parse(world.stateText) as { resources: { name: string; inputs: object }[] };
    world.editState("b", { inputs: { ...recorded.resources[1]?.inputs, fail: "stuck" } });
    const digest = await world.up(() => undefined);
    expect(messages(digest)).toEqual(["thing: stuck"]);
    expect(world.things).toEqual(["a=", "b="]);
    expect(world.state.resources.map(({ name, condition }) => [name, condition])).toEqual([
      ["a", "ready"],
      ["b", "deleting"],
    ]);
  });
});

describe("an error of the program", () => {
  test("is the failure; what was registered before is finished, nothing is deleted", async () => {
    await world.up(() => void new Thing("old", { key: "old" }));
    const digest = await world.up(() => {
      new Thing("thing", { key: "a", sleepMs: 20 });
      throw new UserError("config domain: missing", "set it", 78);
    });
    expect(digest.failures).toEqual([
      { subject: undefined, message: "config domain: missing", hint: "set it", exitCode: 78 },
    ]);
    expect(world.things).toEqual(["a=", "old="]);
  });

  test("two resources of one name are one too many", async () => {
    const digest = await world.up(() => {
      new Thing("twin", { key: "a" });
      new Thing("twin", { key: "b" });
    });
    expect(digest.failures[0]?.message).toContain(
      "two resources have the URN urn:pulumi:sandbox::foundation::test:index:Thing::twin",
    );
  });
});

describe("an interruption", () => {
  test("finishes what runs, begins nothing, and the next run does the rest", async () => {
    const program = () => {
      const a = new Thing("a", { key: "a", sleepMs: 60 });
      new Thing("b", { key: "b", value: a.serial });
    };
    const stop = new AbortController();
    const digest = await world.up(program, {
      signal: stop.signal,
      onEvent: ({ kind }) => {
        if (kind === "started") stop.abort();
      },
    });
    expect(digest.result).toBe("interrupted");
    expect(world.takeCalls()).toEqual(["create a"]);
    expect(world.state.resources.map(({ condition }) => condition)).toEqual(["ready"]);
    expect((await world.up(program)).changes).toEqual({ create: 1, update: 0, replace: 0, delete: 0, same: 1 });
  });

  test.each([
    ["creating", { id: "" }, ["create a"]],
    ["updating", {}, ["update () a"]],
    ["deleting", {}, ["remove a", "create a"]],
  ])("while %s is made good", async (condition, change, calls) => {
    const program = () => void new Thing("thing", { key: "a", value: "1" });
    await world.up(program);
    world.editState("thing", { condition, ...change });
    world.takeCalls();
    await world.up(program);
    expect(world.takeCalls()).toEqual(calls);
    expect(world.things).toEqual(["a=1"]);
    expect(world.state.resources.map((each) => each.condition)).toEqual(["ready"]);
  });

  test("of a creation that the program does not want any more is cleaned up", async () => {
    await world.up(() => void new Thing("thing", { key: "a", value: "1" }));
    world.editState("thing", { condition: "creating", id: "" });
    await world.up(() => undefined);
    expect(world.things).toEqual([]);
    expect(world.state.resources).toEqual([]);
  });
});

describe("what is refused", () => {
  test.each<[string, () => void, string]>([
    [
      "an unknown type",
      () => {
        new (class extends pulumi.CustomResource {})("test:index:Other", "odd", {});
      },
      "test:index:Other odd: the sandbox's engine does not know this resource type",
    ],
    [
      "an unknown input",
      () => {
        new Thing("odd", { key: "a", colour: "red", size: 1 } as never);
      },
      "test:index:Thing odd: the sandbox's engine does not know the input colour, size",
    ],
    [
      "aliases and import",
      () => {
        new Thing("odd", { key: "a" }, { aliases: [{ name: "before" }], import: "x" });
      },
      "test:index:Thing odd: the sandbox's engine does not support aliases, import",
    ],
    [
      "an asset",
      () => {
        new Thing("odd", { key: "a", value: new pulumi.asset.StringAsset("x") as never });
      },
      "test:index:Thing odd: assets and archives are not supported",
    ],
    [
      "a duration that is none",
      () => {
        new Thing("odd", { key: "a" }, { customTimeouts: { create: "5 minutes" } });
      },
      "test:index:Thing odd: customTimeouts: not a duration: 5 minutes",
    ],
  ])("%s", async (_what, program, message) => {
    expect(messages((await world.preview(program)).digest)).toEqual([message]);
    expect(messages(await world.up(program))).toEqual([message]);
    expect(world.takeCalls()).toEqual([]);
  });

  test("provider functions", async () => {
    const digest = await world.up(() => pulumi.runtime.invoke("test:index:getThing", {}));
    expect(messages(digest)).toEqual(["program: invoke is not supported by the sandbox's engine"]);
  });

  test("another stack than the sandbox", async () => {
    const refused = { message: "stack prod: the embedded engine deploys only the stack sandbox", exitCode: 8 };
    await expect(world.up(() => undefined, { stack: "prod" })).rejects.toMatchObject(refused);
    await expect(world.destroy(() => undefined, { stack: "prod" })).rejects.toMatchObject(refused);
  });

  test("a wrong passphrase, before anything is touched", async () => {
    await world.up(() => void new Thing("thing", { key: "a" }));
    world.takeCalls();
    const before = world.stateText;
    let ran = false;
    const program = () => {
      ran = true;
    };
    await expect(world.up(program, { passphrase: Buffer.from("wrong") })).rejects.toMatchObject({
      message: `state ${world.stateFile}: the passphrase does not open it`,
      exitCode: 4,
    });
    expect([ran, world.takeCalls(), world.stateText]).toEqual([false, [], before]);
  });

  test.each([
    ["not JSON", "{", "it is not JSON"],
    ["another version", '{"version":2}', "its version is 2, not 1"],
    ["a part of a file", '{"version":1}', "it is incomplete"],
  ])("a state file that is %s", async (_what, text, message) => {
    writeFileSync(world.stateFile, text);
    await expect(world.up(() => undefined)).rejects.toMatchObject({
      message: `state ${world.stateFile}: cannot be used: ${message}`,
    });
  });

  test("a state in which a secret was moved", async () => {
    await world.up(() => {
      new Thing("one", { key: "a", note: pulumi.secret("first-secret") });
      new Thing("two", { key: "b", note: pulumi.secret("other-secret") });
    });
    const state = JSON.parse(world.stateText) as { resources: { inputs: { note: unknown } }[] };
    const [one, two] = state.resources;
    if (one && two) one.inputs.note = two.inputs.note;
    writeFileSync(world.stateFile, JSON.stringify(state));
    await expect(world.up(() => undefined)).rejects.toThrow(/the secret at urn:.*::one inputs note was altered/);
  });

  test("two runs at once; the lock of a process that is no more is taken over", async () => {
    const release = await takeLock(world.stateFile);
    await expect(world.up(() => undefined)).rejects.toMatchObject({
      message: `state ${world.stateFile}: in use by process ${process.pid}`,
      exitCode: 8,
    });
    release();
    expect((await world.up(() => undefined)).result).toBe("succeeded");
    // a process with our id that began at another time
    writeFileSync(`${world.stateFile}.lock`, JSON.stringify({ pid: process.pid, startedAt: "1" }));
    expect((await world.up(() => undefined)).result).toBe("succeeded");
    writeFileSync(`${world.stateFile}.lock`, "");
    expect((await world.up(() => undefined)).result).toBe("succeeded");
    expect(() => readFileSync(`${world.stateFile}.lock`)).toThrow("ENOENT");
  });
});

test("a state file is made where there is none, under a key that is dear to guess", async () => {
  const stateFile = `${world.directory}/new/state.json`;
  await world.up(() => void new Thing("thing", { key: "a" }), { stateFile });
  const { seal } = JSON.parse(readFileSync(stateFile, "utf8")) as { seal: { cost: number } };
  expect(seal.cost).toBe(131072);
  await expect(world.up(() => undefined, { stateFile, passphrase: PASSPHRASE.subarray(1) })).rejects.toMatchObject({
    exitCode: 4,
  });
});
