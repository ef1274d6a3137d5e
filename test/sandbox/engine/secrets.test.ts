import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { EngineEvent } from "../../../sandbox/engine/journal.ts";
import { Redactor } from "../../../sandbox/engine/redactor.ts";
import { describeEvent } from "../../../sandbox/engine/report.ts";
import {
  fromWire,
  hasSecret,
  hasUnknown,
  mask,
  reveal,
  secret,
  UNKNOWN,
  type Value,
} from "../../../sandbox/engine/values.ts";
import { Thing, World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await World.create();
});
afterEach(() => {
  world.dispose();
});

const SECRET = "hunter2-hunter2";

const program = () => {
  const source = new Thing("source", {
    key: "a",
    note: pulumi.secret(SECRET),
    tags: ["plain", pulumi.secret(`${SECRET}-tag`)],
  });
  const named = new Thing("named", { key: "b" }, { additionalSecretOutputs: ["password"] });
  new Thing("user", { key: "c", value: pulumi.interpolate`uses ${source.note}`, nested: { deep: named.password } });
  return { note: source.note, serial: source.serial, password: named.password, inside: { list: [source.note] } };
};

test("no secret is in the state file, in an event or in the digest", async () => {
  const lines: string[] = [];
  const digest = await world.up(program, { onEvent: (event) => void lines.push(...describeEvent(event)) });
  expect(world.things).toEqual(["a=hunter2-hunter2", "b=", "c=uses hunter2-hunter2"]);
  for (const text of [world.stateText, lines.join("\n"), JSON.stringify(digest)]) {
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain("password-of-b");
  }
  expect(digest.outputs).toEqual({
    note: "[secret]",
    serial: "a-1",
    password: "[secret]",
    inside: { list: ["[secret]"] },
  });
});

test("secrets survive a run, and what did not change keeps its ciphertext", async () => {
  await world.up(program);
  const before = JSON.parse(world.stateText) as { resources: unknown[] };
  const more = () => {
    new Thing("more", { key: "more" });
    return program();
  };
  expect((await world.up(more)).changes).toEqual({ create: 1, update: 0, replace: 0, delete: 0, same: 3 });
  const after = JSON.parse(world.stateText) as { resources: unknown[] };
  expect(after.resources.slice(0, 3)).toEqual(before.resources);
});

test("an output is secret for the program when its input is, or when it is declared so", async () => {
  const secretness: Record<string, boolean> = {};
  await world.up(async () => {
    const source = new Thing(
      "source",
      { key: "a", note: pulumi.secret(SECRET) },
      { additionalSecretOutputs: ["serial"] },
    );
    for (const output of ["key", "note", "serial", "password"] as const) {
      secretness[output] = await (source[output] as unknown as { isSecret: Promise<boolean> }).isSecret;
    }
  });
  expect(secretness).toEqual({ key: false, note: true, serial: true, password: false });
});

test("a preview masks secrets, shows what is unknown, and touches nothing", async () => {
  const before = world.stateText;
  const { lines, digest } = await world.preview(program);
  expect(lines).toEqual([
    "+ test:index:Thing named create",
    '    key: "b"',
    "+ test:index:Thing source create",
    '    key: "a"',
    "    note: [secret]",
    '    tags: ["plain","[secret]"]',
    "+ test:index:Thing user create",
    '    key: "c"',
    '    nested: {"deep":"output<string>"}',
    "    value: [secret]",
  ]);
  expect(digest.outputs).toEqual({
    note: "[secret]",
    serial: "output<string>",
    password: "output<string>",
    inside: { list: ["[secret]"] },
  });
  expect([world.takeCalls(), world.stateText]).toEqual([[], before]);
});

test("in a preview, `apply` does not run on what is not known, and the program knows that it is one", async () => {
  await world.up(() => void new Thing("thing", { key: "a", value: "1" }));
  const seen: unknown[] = [];
  await world.preview(() => {
    seen.push(pulumi.runtime.isDryRun());
    const thing = new Thing("thing", { key: "a", value: "2" });
    thing.value.apply((value) => void seen.push(value));
    thing.id.apply((id) => void seen.push(id));
    thing.serial.apply((serial) => void seen.push(serial));
  });
  // the id outlives an update, the serial does not
  expect(seen.toSorted()).toEqual(["2", "id-a", true]);
});

test("a preview prints what would change, property by property", async () => {
  await world.up(() => {
    new Thing("thing", { key: "a", value: "1", note: pulumi.secret("x"), nested: { "odd.key": "1", gone: "2" } });
    new Thing("old", { key: "old" });
  });
  const { lines, digest } = await world.preview(() => {
    new Thing("thing", { key: "a", value: "2", note: pulumi.secret("y"), nested: { "odd.key": "2" } });
  });
  expect(lines).toEqual([
    "~ test:index:Thing thing update",
    '    nested.gone: "2" => (removed)',
    '    nested["odd.key"]: "1" => "2"',
    "    note: [secret] => [secret]",
    '    value: "1" => "2"',
    "- test:index:Thing old delete",
  ]);
  expect(digest.changes).toEqual({ create: 0, update: 1, replace: 0, delete: 1, same: 0 });
});

test("what a failure says is cleaned of secrets", async () => {
  const events: EngineEvent[] = [];
  const digest = await world.up(
    () => void new Thing("thing", { key: "a", note: pulumi.secret(SECRET), fail: `cannot log in with ${SECRET}` }),
    { onEvent: (event) => void events.push(event) },
  );
  expect(digest.failures.map(({ message }) => message)).toEqual(["thing: cannot log in with [secret]"]);
  expect(JSON.stringify(events)).not.toContain(SECRET);
});

test("the redactor knows what is inside of JSON, and leaves words alone", () => {
  const redactor = new Redactor();
  redactor.learn({ data: secret('{"user":"root","password":"long-enough"}'), list: [secret(["in-a-list", 12345678])] });
  expect(redactor.clean("root: long-enough, in-a-list, 12345678")).toBe("root: [secret], [secret], [secret]");
  redactor.learn(secret('{"user_claim":"repository"}'));
  expect(redactor.clean("there is no repository")).toBe("there is no repository");
});

test("the marks are those of the SDK", async () => {
  await pulumi.runtime.setMocks({ newResource: () => ({ id: "", state: {} }), call: () => ({}) });
  const wire = (await pulumi.runtime.serializeProperties("", {
    secret: pulumi.secret({ list: [pulumi.secret("x")] }),
    unknown: pulumi.unknown,
  })) as Record<string, Value>;
  expect(fromWire(wire["secret"] ?? null)).toEqual(secret({ list: ["x"] }));
  expect(wire["unknown"]).toBe(UNKNOWN);
  expect([hasSecret([wire["secret"] ?? null]), hasUnknown(wire)]).toEqual([true, true]);
  expect(reveal({ a: [secret(secret(1))] })).toEqual({ a: [1] });
  expect(mask({ a: [secret(1)], b: UNKNOWN })).toEqual({ a: ["[secret]"], b: "output<string>" });
});
