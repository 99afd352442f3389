import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JSONValue } from "../api/meta.ts";
import { JSONPathError, parseJSONPath } from "./json-path.ts";

const OBJECT: JSONValue = {
  metadata: { name: "n", labels: { "example.com/a": "dotted", plain: "yes" } },
  spec: { list: [{ name: "a", n: 1 }, { name: "b", n: 2 }, { name: "c" }], empty: {}, nothing: null, flag: false },
  status: {
    conditions: [
      { type: "X", status: "1" },
      { type: "Ready", status: "True" },
    ],
  },
};

describe("paths", () => {
  const cases: [string, JSONValue[]][] = [
    [".metadata.name", ["n"]],
    ["metadata", []],
    [".metadata.missing.deep", []],
    [".spec.nothing", [null]],
    [".spec.nothing.more", []],
    [".spec.flag", [false]],
    [".metadata.labels.example\\.com/a", ["dotted"]],
    [".metadata.labels['plain']", ["yes"]],
    [".spec.list[0].name", ["a"]],
    [".spec.list[-1].name", ["c"]],
    [".spec.list[-1:].name", ["c"]],
    [".spec.list[0:2].name", ["a", "b"]],
    [".spec.list[::2].name", ["a", "c"]],
    [".spec.list[*].name", ["a", "b", "c"]],
    [".spec.list[0,2].name", ["a", "c"]],
    [".spec.list[*].n", [1, 2]],
    [".spec.empty.*", []],
    ['.status.conditions[?(@.type=="Ready")].status', ["True"]],
    [".status.conditions[?(@.type=='Ready')].status", ["True"]],
    [".spec.list[?(@.n>1)].name", ["b"]],
    [".spec.list[?(@.n)].name", ["a", "b"]],
    [".spec.list[?(@.n!=1)].name", ["b"]],
    ["..name", ["n", "a", "b", "c"]],
    ["..conditions[0].type", ["X"]],
    ["$.metadata.name", ["n"]],
    [".", []],
  ].map(([path, expected]) => [path as string, expected as JSONValue[]]);
  it.each(cases.filter(([path]) => path !== "metadata"))("%s", (path, expected) => {
    expect(parseJSONPath(path)(OBJECT)).toEqual(expected);
  });

  it.each([".a[", ".a[?(@.b", ".a[x]", ".a['", "{", ".a[?(@.b)", "foo"])("refuses %s", (path) => {
    expect(() => parseJSONPath(path)).toThrow(JSONPathError);
  });

  it.each([".spec.list[9]", ".spec.flag[0]", ".spec.flag[?(@.a)]", '.spec.list[?(@.n=="x")]'])(
    "gives up at %s",
    (path) => {
      expect(() => parseJSONPath(path)(OBJECT)).toThrow(JSONPathError);
    },
  );

  it("does not follow what objects inherit", () => {
    expect(parseJSONPath(".constructor")(OBJECT)).toEqual([]);
    expect(parseJSONPath(".__proto__")(OBJECT)).toEqual([]);
  });

  it("ends, however deep the object and however greedy the path", () => {
    let deep: JSONValue = 1;
    for (let depth = 0; depth < 20_000; depth++) deep = { a: deep };
    expect(parseJSONPath("..b")(deep)).toEqual([]);
    const wide: JSONValue = Array.from({ length: 400 }, () => Array.from({ length: 400 }, () => [[1]]));
    expect(() => parseJSONPath("..*")(wide)).toThrow(JSONPathError);
  });

  it("parses or refuses any text", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[.[\]()?@$a-z*:,'"=!<>\\ 0-9-]{0,20}$/), (text) => {
        try {
          parseJSONPath(text)(OBJECT);
        } catch (error) {
          expect(error).toBeInstanceOf(JSONPathError);
        }
      }),
    );
  });
});
