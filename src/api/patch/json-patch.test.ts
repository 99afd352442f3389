import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeJSON, equalJSON, stringifyJSON } from "../json/index.ts";
import type { JSONValue } from "../meta.ts";
import { applyJSONPatch, decodeJSONPatch, type Operation } from "./json-patch.ts";

interface Case {
  comment?: string;
  doc: JSONValue;
  patch: JSONValue;
  expected?: JSONValue;
  error?: string;
}

const suite = ["tests", "spec_tests"].flatMap((name) => {
  const file = createRequire(import.meta.url).resolve(`json-patch-test-suite/${name}.json`);
  return (JSON.parse(readFileSync(file, "utf8")) as Case[]).map((test, index) => ({
    ...test,
    id: `${name}[${index}]`,
  }));
});

/** Where upstream's library is laxer or stricter than the RFC: what it was seen to answer (evanphx/json-patch v4.13.0). */
const DIVERGENT: Record<string, { result?: JSONValue; error?: string }> = {
  "tests[10]": { error: "replace operation value must be object or array: %!w(<nil>)" },
  "tests[16]": { result: { bar: [1, 2, "5"] } },
  "tests[59]": { error: 'add operation does not apply: doc is missing path: "": missing value' },
  "tests[70]": { result: [1, null] },
  "tests[71]": { result: [null] },
  "tests[72]": { result: [null] },
  "tests[76]": { result: { baz: "bar" } },
};

function outcome(doc: JSONValue, patch: JSONValue): { result?: JSONValue; error?: string } {
  const before = stringifyJSON(doc);
  try {
    const result = applyJSONPatch(doc, decodeJSONPatch(encodeJSON(patch)).operations);
    return { result };
  } catch (error) {
    const { message, cause } = error as Error;
    return { error: cause instanceof Error ? cause.message : message };
  } finally {
    expect(stringifyJSON(doc)).toBe(before);
  }
}

describe("json-patch-test-suite", () => {
  it.each(suite)("$id $comment", ({ id, doc, patch, expected, error }) => {
    const actual = outcome(doc, patch);
    if (Object.hasOwn(DIVERGENT, id)) expect(actual).toEqual(DIVERGENT[id]);
    else if (error !== undefined) expect(actual.error).toBeTypeOf("string");
    else expect(actual).toEqual({ result: expected ?? actual.result });
  });
});

describe("upstream's words", () => {
  const cases: [string, JSONValue, JSONValue, string][] = [
    ["test", { a: 1 }, [{ op: "test", path: "/a", value: 2 }], "testing value /a failed: test failed"],
    [
      "remove",
      { a: 1 },
      [{ op: "remove", path: "/b" }],
      "error in remove for path: '/b': Unable to remove nonexistent key: b: missing value",
    ],
    [
      "remove below nothing",
      {},
      [{ op: "remove", path: "/b/c" }],
      'remove operation does not apply: doc is missing path: "/b/c": missing value',
    ],
    [
      "add below nothing",
      {},
      [{ op: "add", path: "/b/c", value: 1 }],
      'add operation does not apply: doc is missing path: "/b/c": missing value',
    ],
    [
      "index",
      { l: [1] },
      [{ op: "add", path: "/l/3", value: 1 }],
      "error in add for path: '/l/3': Unable to access invalid index: 3: invalid index referenced",
    ],
    ["kind", {}, [{ op: "frobnicate", path: "/a" }], "Unexpected kind: frobnicate"],
    ["no path", {}, [{ op: "add", value: 1 }], "add operation failed to decode path: missing value"],
    [
      "move into own child",
      { a: { b: 1 } },
      [{ op: "move", from: "/a", path: "/a/b" }],
      "move operation does not apply: doc is missing destination path: /a/b: missing value",
    ],
  ];
  it.each(cases)("%s", (_, doc, patch, message) => {
    expect(outcome(doc, patch)).toEqual({ error: message });
  });

  it("answers 422 and keeps the reason from the client", () => {
    expect(() => applyJSONPatch({}, [{ op: "remove", path: "/a" }])).toThrow(
      expect.objectContaining({
        code: 422,
        reason: "Invalid",
        message: "the server rejected our request due to an error in our request",
      }),
    );
  });

  it.each([
    ["{}", 400, "error decoding patch: json: cannot unmarshal object into Go value of type []interface {}"],
    ["[1]", 400, "json: cannot unmarshal number into Go value of type jsonpatch.Operation"],
    ["[", 400, "error decoding patch: unexpected end of JSON input"],
    [
      `[${Array(10_001).fill("{}").join()}]`,
      413,
      "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
    ],
  ])("%.10s", (body, code, message) => {
    expect(() => decodeJSONPatch(new TextEncoder().encode(body))).toThrow(expect.objectContaining({ code, message }));
  });

  it("reports duplicate fields of the patch", () => {
    const body = new TextEncoder().encode('[{"op":"add","op":"remove","path":"/a"}]');
    expect(decodeJSONPatch(body).problems).toEqual(['json patch duplicate field "[0].op"']);
  });
});

describe("what upstream allows beyond the RFC", () => {
  const cases: [string, JSONValue, JSONValue, JSONValue][] = [
    ["replace of nothing adds", {}, [{ op: "replace", path: "/a", value: 1 }], { a: 1 }],
    ["test for null of nothing", {}, [{ op: "test", path: "/a", value: null }], {}],
    ["negative index", { l: [1, 2] }, [{ op: "replace", path: "/l/-1", value: 3 }], { l: [1, 3] }],
    ["add at -1 appends", { l: [1] }, [{ op: "add", path: "/l/-1", value: 2 }], { l: [1, 2] }],
    ["copy of nothing is null", {}, [{ op: "copy", from: "/a", path: "/b" }], { b: null }],
    ["no value is null", {}, [{ op: "add", path: "/a" }], { a: null }],
    ["escapes", { "a/b": { "m~n": 1 } }, [{ op: "replace", path: "/a~1b/m~0n", value: 2 }], { "a/b": { "m~n": 2 } }],
    ["~01 is ~1", { "~1": 1 }, [{ op: "remove", path: "/~01" }], {}],
  ];
  it.each(cases)("%s", (_, doc, patch, result) => {
    expect(outcome(doc, patch)).toEqual({ result });
  });
});

describe("hostile patches", () => {
  it("treats __proto__ as a member", () => {
    const result = applyJSONPatch({}, [
      { op: "add", path: "/__proto__", value: {} },
      { op: "add", path: "/__proto__/polluted", value: 1 },
      { op: "add", path: "/constructor", value: {} },
    ]);
    expect(stringifyJSON(result)).toBe('{"__proto__":{"polluted":1},"constructor":{}}');
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("stops copies that double and double again", () => {
    const operations: Operation[] = [{ op: "add", path: "/a", value: ["x".repeat(100)] }];
    for (let index = 0; index < 40; index++) operations.push({ op: "copy", from: "/a", path: "/a/-" });
    expect(() => applyJSONPatch({}, operations)).toThrow(
      expect.objectContaining({
        code: 422,
        cause: expect.objectContaining({
          message: expect.stringMatching(/accumulated size increase of copy is \d+, exceeding the limit 3145728/),
        }),
      }),
    );
  });

  it("copies a list into itself", () => {
    expect(applyJSONPatch({ a: [1] }, [{ op: "copy", from: "/a", path: "/a/-" }])).toEqual({ a: [1, [1]] });
    const grown = applyJSONPatch({ a: [1] }, [
      { op: "add", path: "/a/-", value: 2 },
      { op: "copy", from: "/a", path: "/a/0" },
    ]);
    expect(grown).toEqual({ a: [[1, 2], 1, 2] });
  });

  it("gives up when long lists are shifted again and again", () => {
    const list = Array.from({ length: 300_000 }, () => 0);
    const operations = Array.from({ length: 10_000 }, () => ({ op: "add", path: "/l/0", value: 1 }));
    expect(() => applyJSONPatch({ l: list }, operations)).toThrow(expect.objectContaining({ code: 413 }));
  });

  it("does not mix up what was copied", () => {
    const result = applyJSONPatch({ a: { b: { c: 1 } } }, [
      { op: "add", path: "/a/b/d", value: 2 },
      { op: "copy", from: "/a", path: "/z" },
      { op: "replace", path: "/z/b/c", value: 9 },
      { op: "add", path: "/a/b/e", value: 3 },
    ]);
    expect(result).toEqual({ a: { b: { c: 1, d: 2, e: 3 } }, z: { b: { c: 9, d: 2 } } });
  });

  it("does not change a value of the patch that stands in the document", () => {
    const value = { x: 1 };
    const operations: Operation[] = [
      { op: "add", path: "/a", value },
      { op: "add", path: "/a/y", value: 2 },
    ];
    expect(applyJSONPatch({}, operations)).toEqual({ a: { x: 1, y: 2 } });
    expect(value).toEqual({ x: 1 });
  });

  it("follows ten thousand levels and gives up beyond", () => {
    let deep: JSONValue = {};
    for (let level = 0; level < 9_000; level++) deep = { a: deep };
    const result = applyJSONPatch(deep, [{ op: "add", path: `${"/a".repeat(9_000)}/z`, value: 1 }]);
    expect(stringifyJSON(result)).toContain('{"z":1}');
    expect(() => applyJSONPatch(deep, [{ op: "add", path: "/a".repeat(20_000), value: 1 }])).toThrow();
  });
});

describe("laws", () => {
  const leaf = fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.boolean());
  const json = fc.dictionary(
    fc.constantFrom("a", "b", "__proto__", "1"),
    fc.oneof(leaf, fc.array(leaf), fc.dictionary(fc.string(), leaf)),
  );

  it("add then remove is the identity; add then test holds", () => {
    fc.assert(
      fc.property(json, leaf, (doc, value) => {
        const added = applyJSONPatch(doc, [
          { op: "add", path: "/new", value },
          { op: "test", path: "/new", value },
        ]);
        expect(equalJSON(applyJSONPatch(added, [{ op: "remove", path: "/new" }]), doc)).toBe(true);
      }),
    );
  });

  it("shares what it does not touch", () => {
    const doc = { a: { deep: [1] }, b: { other: 1 } };
    const result = applyJSONPatch(doc, [{ op: "add", path: "/b/new", value: 1 }]) as typeof doc;
    expect(result.a).toBe(doc.a);
    expect(result.b).not.toBe(doc.b);
  });
});
