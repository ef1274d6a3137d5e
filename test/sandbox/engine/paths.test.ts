import { expect, test } from "vitest";
import { diffProperties, formatChange } from "../../../sandbox/engine/diff.ts";
import { ignoreChanges, joinPath, matchesPath, parsePath } from "../../../sandbox/engine/paths.ts";
import { secret, UNKNOWN, type Properties } from "../../../sandbox/engine/values.ts";

test.each([
  ["a", ["a"]],
  ["a.b", ["a", "b"]],
  ["a[0].b", ["a", 0, "b"]],
  ["a[*]", ["a", "*"]],
  ['a["b.c"].d', ["a", "b.c", "d"]],
  ["*", ["*"]],
])("the path %s has the parts %j", (path, parts) => {
  expect(parsePath(path)).toEqual(parts);
});

test("paths are put together as they are taken apart", () => {
  expect(joinPath(joinPath(joinPath("", "a"), 0), "b.c")).toBe('a[0]["b.c"]');
});

test.each([
  ["*", "a.b", true],
  ["a", "a[0].b", true],
  ["a.b", "a.b", true],
  ["a.b", "a.c", false],
  ["a[*].b", "a[3].b", true],
  ["a[*].b", "a[3].c", false],
  ["triggers[*]", "triggers", true],
  ["ab", "a", false],
])("%s covers a change of %s: %s", (pattern, path, covers) => {
  expect(matchesPath(pattern, path)).toBe(covers);
});

test.each<[string, Properties, Properties, Properties]>([
  ["a", { a: 2 }, { a: 1 }, { a: 1 }],
  ["a", { a: 2, b: 2 }, {}, { b: 2 }],
  ["a", {}, { a: 1 }, { a: 1 }],
  ["a.b", { a: { b: 2, c: 2 } }, { a: { b: 1, c: 1 } }, { a: { b: 1, c: 2 } }],
  ["a.b", { a: { b: 2 } }, {}, { a: {} }],
  ["a[1]", { a: [2, 2] }, { a: [1, 1] }, { a: [2, 1] }],
  ["a[*].b", { a: [{ b: 2 }, { b: 2 }] }, { a: [{ b: 1 }] }, { a: [{ b: 1 }, {}] }],
  ["a[*]", { a: [2, 2, 2] }, { a: [1] }, { a: [1] }],
  ["*", { a: 2 }, { b: 1 }, { b: 1 }],
  ["a.b", { a: secret({ b: 2, c: 2 }) }, { a: secret({ b: 1, c: 1 }) }, { a: secret({ b: 1, c: 2 }) }],
])("ignoring %s of %j after %j leaves %j", (pattern, after, before, kept) => {
  expect(ignoreChanges(after, before, [pattern])).toEqual(kept);
});

test.each<[Properties, Properties, string[]]>([
  [{ a: 1 }, { a: 1 }, []],
  [{ a: 1 }, { a: 2 }, ["a: 1 => 2"]],
  [{ a: null }, {}, []],
  [{}, { a: { b: 1 } }, ['a: {"b":1}']],
  [{ a: [1, 2] }, { a: [1, 3, 4] }, ["a[1]: 2 => 3", "a[2]: 4"]],
  [{ a: { b: [{ c: "x" }] } }, { a: { b: [{ c: "y" }] } }, ['a.b[0].c: "x" => "y"']],
  [{ a: secret("x") }, { a: "x" }, []],
  [{ a: secret({ b: 1 }) }, { a: secret({ b: 2 }) }, ["a: [secret] => [secret]"]],
  [{ a: [secret("x")] }, { a: [secret("y")] }, ["a[0]: [secret] => [secret]"]],
  [{ a: "x" }, { a: UNKNOWN }, ['a: "x" => output<string>']],
  [{ a: "output<string>" }, {}, ['a: "output<string>" => (removed)']],
  [{ a: "x".repeat(200) }, {}, [`a: "${"x".repeat(99)}… => (removed)`]],
])("%j to %j", (before, after, lines) => {
  expect(diffProperties(before, after).map(formatChange)).toEqual(lines);
});

test("sets differ by their elements, at any depth", () => {
  const network = (...aliases: string[]): Properties => ({ networks: [{ name: "x", aliases }, { name: "y" }] });
  const unordered = ["networks", "networks.aliases"];
  const reordered: Properties = { networks: [{ name: "y" }, { aliases: ["b", "a"], name: "x" }] };
  expect(diffProperties(network("a", "b"), reordered, unordered)).toEqual([]);
  expect(diffProperties(network("a"), network("b"), unordered).map(formatChange)).toEqual([
    'networks: {"name":"x","aliases":["a"]} => (removed)',
    'networks: {"name":"x","aliases":["b"]}',
  ]);
});
