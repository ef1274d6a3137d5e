import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Group, Thing, ThingProvider, World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => {
  world.dispose();
});

describe("order", () => {
  const program = () => {
    const first = new Thing("first", { key: "a", value: "1" });
    const second = new Thing("second", { key: "b", value: pulumi.interpolate`after ${first.serial}` });
    return { seen: second.value };
  };

  test("a resource is made after those its inputs come from, and gets their values", async () => {
    const digest = await world.up(program);
    expect(digest.result).toBe("succeeded");
    expect(world.takeCalls()).toEqual(["create a", "create b"]);
    expect(world.things).toEqual(["a=1", "b=after a-1"]);
    expect(digest.outputs).toEqual({ seen: "after a-1" });
    expect(digest.changes).toEqual({ create: 2, update: 0, replace: 0, delete: 0, same: 0 });
  });

  test("a second run changes nothing and writes nothing", async () => {
    await world.up(program);
    world.takeCalls();
    const before = world.stateText;
    const digest = await world.up(program);
    expect(digest.changes).toEqual({ create: 0, update: 0, replace: 0, delete: 0, same: 2 });
    expect(digest.steps).toEqual([]);
    expect(world.takeCalls()).toEqual([]);
    expect(world.stateText).toBe(before);
  });

  test("dependsOn a component waits for everything in it", async () => {
    await world.up(() => {
      const group = new Group("group");
      const inner = new Group("inner", { parent: group });
      new Thing("slow", { key: "slow", value: "x", sleepMs: 60 }, { parent: inner });
      new Thing("quick", { key: "quick", value: "x" }, { parent: group });
      new Thing("last", { key: "last", value: "x" }, { dependsOn: group });
    });
    expect(world.takeCalls().at(-1)).toBe("create last");
  });

  test("types of all parents but the stack are in the URN", async () => {
    await world.up(() => {
      const outer = new Group("outer");
      const inner = new Group("inner", { parent: outer });
      new Thing("thing", { key: "a" }, { parent: inner });
    });
    expect(world.state.resources.map(({ urn }) => urn)).toEqual([
      "urn:pulumi:sandbox::foundation::test:index:Group$test:index:Group$test:index:Thing::thing",
    ]);
  });

  test("no more steps at once than allowed", async () => {
    await world.up(() => Array.from({ length: 9 }, (_, at) => new Thing(`t${at}`, { key: `k${at}`, sleepMs: 20 })), {
      parallel: 3,
    });
    expect(world.busiest).toBe(3);
    expect(world.things).toHaveLength(9);
  });

  test("a provider's configuration reaches its resources; its change is an update that touches none of them", async () => {
    const withEndpoint = (endpoint: string) => () => {
      const provider = new ThingProvider("where", { endpoint });
      new Thing("thing", { key: "a", value: "1" }, { provider });
    };
    await world.up(withEndpoint("east"));
    expect(world.things).toEqual(["a=1 east"]);
    world.takeCalls();
    const digest = await world.up(withEndpoint("west"));
    expect(digest.changes).toMatchObject({ update: 1, same: 1 });
    expect(world.takeCalls()).toEqual([]);
  });
});

describe("changes", () => {
  const thing =
    (args: Record<string, unknown>, opts: pulumi.CustomResourceOptions = {}) =>
    () => {
      new Thing("thing", { key: "a", value: "1", ...args }, opts);
    };

  test.each([
    ["an input", {}, { value: "2" }, {}, ["update (value) a"]],
    ["an input that only a new object can have", {}, { key: "b" }, {}, ["create b", "remove a"]],
    ["the same, old one first", {}, { key: "b" }, { deleteBeforeReplace: true }, ["remove a", "create b"]],
    ["an input in replaceOnChanges", {}, { value: "2" }, { replaceOnChanges: ["value"] }, ["remove a", "create a"]],
    ["any input, with replaceOnChanges *", {}, { note: "n" }, { replaceOnChanges: ["*"] }, ["remove a", "create a"]],
    [
      "a part in replaceOnChanges",
      { nested: { x: "1" } },
      { nested: { x: "2" } },
      { replaceOnChanges: ["nested.x"] },
      ["remove a", "create a"],
    ],
    [
      "another part than in replaceOnChanges",
      { nested: { x: "1" } },
      { nested: { x: "1", y: "2" } },
      { replaceOnChanges: ["nested.x"] },
      ["update (nested.y) a"],
    ],
    ["an ignored input", {}, { value: "2" }, { ignoreChanges: ["value"] }, []],
    [
      "an ignored part",
      { nested: { x: "1" } },
      { nested: { x: "2", y: "3" } },
      { ignoreChanges: ["nested.x"] },
      ["update (nested.y) a"],
    ],
    ["an input that appears though it is ignored", {}, { note: "n" }, { ignoreChanges: ["note"] }, []],
    ["the order of a set", { tags: ["x", "y"] }, { tags: ["y", "x"] }, {}, []],
    ["an element of a set", { tags: ["x", "y"] }, { tags: ["y", "z"] }, {}, ["update (tags tags) a"]],
    ["the order in a map", { nested: { x: "1", y: "2" } }, { nested: { y: "2", x: "1" } }, {}, []],
    ["a value that becomes secret", { note: "n" }, { note: pulumi.secret("n") }, {}, []],
    ["a secret value", { note: pulumi.secret("n") }, { note: pulumi.secret("m") }, {}, ["update (note) a"]],
    ["an input that goes", { note: "n" }, {}, {}, ["update (note) a"]],
  ])("%s", async (_what, before, after, opts, calls) => {
    await world.up(thing(before, opts));
    world.takeCalls();
    const digest = await world.up(thing(after, opts));
    expect(digest.failures).toEqual([]);
    expect(world.takeCalls()).toEqual(calls);
    await world.up(thing(after, opts));
    expect(world.takeCalls()).toEqual([]);
  });

  test("replacementTrigger replaces when it changes, not when it appears", async () => {
    await world.up(thing({}));
    world.takeCalls();
    await world.up(thing({}, { replacementTrigger: "one" }));
    expect(world.takeCalls()).toEqual([]);
    await world.up(thing({}, { replacementTrigger: "two" }));
    expect(world.takeCalls()).toEqual(["remove a", "create a"]);
  });

  test("what would be recorded and not applied is refused, unless it replaces", async () => {
    await world.up(thing({ frozen: "1" }));
    const digest = await world.up(thing({ frozen: "2" }));
    expect(digest.failures).toEqual([
      {
        subject: expect.objectContaining({ name: "thing" }),
        message: "test:index:Thing thing: a change of frozen would be recorded and not applied",
        hint: 'give the resource the options replaceOnChanges: ["*"] and deleteBeforeReplace: true',
        exitCode: 1,
      },
    ]);
    expect((await world.up(thing({ frozen: "2" }, { replaceOnChanges: ["*"] }))).changes.replace).toBe(1);
  });

  test("an object that never became good is replaced by the next run", async () => {
    const digest = await world.up(thing({ sick: true }));
    expect(digest.failures.map(({ message }) => message)).toEqual(["thing: not well"]);
    expect(world.state.resources).toEqual([expect.objectContaining({ condition: "tainted", id: "id-a" })]);
    world.takeCalls();
    await world.up(thing({}));
    expect(world.takeCalls()).toEqual(["remove a", "create a"]);
  });

  test("customTimeouts bound a step", async () => {
    const slow = thing({ sleepMs: 400 }, { customTimeouts: { create: "100ms" } });
    expect((await world.up(slow)).failures.map(({ message }) => message)).toEqual([
      "test:index:Thing thing: took longer than its customTimeouts allow",
    ]);
  });
});

describe("replacement of what others are made from", () => {
  const chain = (key: string, opts: pulumi.CustomResourceOptions = {}) => {
    return () => {
      const base = new Thing("base", { key }, { deleteBeforeReplace: true, ...opts });
      const keyed = new Thing("keyed", { key: pulumi.interpolate`on-${base.key}` });
      new Thing("valued", { key: "valued", value: keyed.serial });
      new Thing("after", { key: "after" }, { dependsOn: base });
    };
  };

  test("those that would be new too go first; the others stay", async () => {
    await world.up(chain("a"));
    world.takeCalls();
    const digest = await world.up(chain("b"));
    expect(world.takeCalls()).toEqual(["remove on-a", "remove a", "create b", "create on-b", "update (value) valued"]);
    expect(digest.changes).toEqual({ create: 0, update: 1, replace: 2, delete: 0, same: 1 });
  });

  test("a preview says the same", async () => {
    await world.up(chain("a"));
    const { digest, lines } = await world.preview(chain("b"));
    expect(digest.changes).toEqual({ create: 0, update: 1, replace: 2, delete: 0, same: 1 });
    expect(lines).toEqual([
      "± test:index:Thing base replace  (because of key)",
      '    key: "a" => "b"',
      "± test:index:Thing keyed replace  (because of what it is made from is replaced)",
      '    key: "on-b"',
      "~ test:index:Thing valued update",
      '    value: "on-a-1" => output<string>',
    ]);
  });

  test("nothing is touched when one of them is protected", async () => {
    const guarded = (key: string) => () => {
      const base = new Thing("base", { key }, { deleteBeforeReplace: true });
      new Thing("keyed", { key: pulumi.interpolate`on-${base.key}` }, { protect: true });
    };
    await world.up(guarded("a"));
    world.takeCalls();
    const digest = await world.up(guarded("b"));
    expect(digest.failures.map(({ message }) => message)).toEqual([
      "test:index:Thing keyed: protected, and it would be replaced together with base",
    ]);
    expect(world.takeCalls()).toEqual([]);
  });
});

describe("removal", () => {
  const all = () => {
    const a = new Thing("a", { key: "a" });
    const b = new Thing("b", { key: "b", value: a.serial });
    new Thing("c", { key: "c" }, { dependsOn: b });
    new Thing("kept", { key: "kept" });
  };

  test("what left the program goes, dependents first", async () => {
    await world.up(all);
    world.takeCalls();
    const digest = await world.up(() => {
      new Thing("kept", { key: "kept" });
    });
    expect(world.takeCalls()).toEqual(["remove c", "remove b", "remove a"]);
    expect(digest.changes).toEqual({ create: 0, update: 0, replace: 0, delete: 3, same: 1 });
    expect(world.things).toEqual(["kept="]);
  });

  test("what is in a component goes before what the component waited for", async () => {
    await world.up(() => {
      const first = new Thing("first", { key: "first" });
      const outer = new Group("outer", { dependsOn: first });
      new Thing("child", { key: "child", sleepMs: 20 }, { parent: new Group("inner", { parent: outer }) });
    });
    world.takeCalls();
    await world.up(() => undefined);
    expect(world.takeCalls()).toEqual(["remove child", "remove first"]);
  });

  test("what is retained is only forgotten; what goes with another is not deleted on its own", async () => {
    await world.up(() => {
      const host = new Thing("host", { key: "host" });
      new Thing("guest", { key: "guest" }, { deletedWith: host, dependsOn: host });
      new Thing("data", { key: "data" }, { retainOnDelete: true });
    });
    world.takeCalls();
    await world.up(() => undefined);
    expect(world.takeCalls()).toEqual(["remove host"]);
    expect(world.state.resources).toEqual([]);
    expect(world.things).toEqual(["data=", "guest="]);
  });

  test("retainOnDelete is inherited from the component", async () => {
    await world.up(() => {
      new Thing("data", { key: "data" }, { parent: new Group("group", { retainOnDelete: true }) });
    });
    world.takeCalls();
    await world.up(() => undefined);
    expect(world.takeCalls()).toEqual([]);
  });

  test("a protected resource is neither deleted nor replaced, and a preview says so", async () => {
    const guarded = (key: string) => () => {
      new Thing("guarded", { key }, { protect: true });
    };
    await world.up(guarded("a"));
    world.takeCalls();
    for (const [program, message] of [
      [() => undefined, "test:index:Thing guarded: protected, and it would be deleted"],
      [guarded("b"), "test:index:Thing guarded: protected, and it would be replaced (key)"],
    ] as const) {
      const failure = expect.objectContaining({ message, exitCode: 8 });
      expect((await world.preview(program)).digest.failures).toEqual([failure]);
      expect((await world.up(program)).failures).toEqual([failure]);
    }
    expect(world.takeCalls()).toEqual([]);
    await world.up(() => {
      new Thing("guarded", { key: "b" }, { protect: false });
    });
    expect(world.things).toEqual(["b="]);
  });

  test("destroy deletes everything in reverse order and runs the program with what is recorded", async () => {
    await world.up(all);
    world.takeCalls();
    let seen: unknown;
    const digest = await world.destroy(() => {
      new Thing("a", { key: "a" }).serial.apply((serial) => {
        seen = serial;
      });
    });
    expect(seen).toBe("a-1");
    expect(digest.changes.delete).toBe(4);
    expect(world.takeCalls().filter((call) => call !== "remove kept")).toEqual(["remove c", "remove b", "remove a"]);
    expect(world.things).toEqual([]);
  });

  test("destroy refuses as a whole where something is protected, and then lifts it when told to", async () => {
    const program = () => {
      new Thing("data", { key: "data" }, { protect: true, retainOnDelete: true });
      new Thing("net", { key: "net" }, { protect: true });
      new Thing("other", { key: "other" });
    };
    await world.up(program);
    world.takeCalls();
    await expect(world.destroy(program)).rejects.toMatchObject({
      message: "destroy: protected: data, net",
      exitCode: 8,
    });
    expect(world.takeCalls()).toEqual([]);
    await world.destroy(program, { unprotect: true });
    expect(world.things).toEqual(["data="]);
    expect(world.state.resources).toEqual([]);
  });
});
