import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalJSON, stringifyJSON } from "../json/index.ts";
import type { JSONValue } from "../meta.ts";
import { applyMergePatch, decodeMergePatch } from "./merge-patch.ts";

describe("RFC 7386, appendix A", () => {
  const cases: [JSONValue, JSONValue, JSONValue][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  it.each(cases)("%j + %j", (original, patch, result) => {
    const before = stringifyJSON([original, patch]);
    expect(applyMergePatch(original, patch)).toEqual(result);
    expect(stringifyJSON([original, patch])).toBe(before);
  });
});

describe("bodies", () => {
  const decode = (text: string) => decodeMergePatch(new TextEncoder().encode(text));
  it.each([
    ["[]", "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"],
    ["null", "Invalid JSON Patch"],
    ["{", "error decoding patch: unexpected end of JSON input"],
    ["true", "error decoding patch: json: cannot unmarshal bool into Go value of type map[string]interface {}"],
  ])("refuses %s", (text, message) => {
    expect(() => decode(text)).toThrow(expect.objectContaining({ code: 400, message }));
  });

  it("reports duplicates", () => {
    expect(decode('{"spec":{"a":1,"a":2}}')).toEqual({
      patch: { spec: { a: 2 } },
      problems: ['duplicate field "spec.a"'],
    });
  });
});

describe("laws", () => {
  const json = fc.letrec<{ value: JSONValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constant(null),
      fc.integer(),
      fc.array(fc.integer()),
      fc.dictionary(fc.constantFrom("a", "b", "__proto__", "x y"), tie("value")),
    ) as fc.Arbitrary<JSONValue>,
  })).value;

  it("applying twice changes nothing more", () => {
    fc.assert(
      fc.property(json, json, (original, patch) => {
        const once = applyMergePatch(original, patch);
        expect(equalJSON(applyMergePatch(once, patch), once)).toBe(true);
      }),
    );
  });

  it("an empty patch changes nothing, and nothing is ever polluted", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), json), (original) => {
        expect(equalJSON(applyMergePatch(original, {}), original)).toBe(true);
      }),
    );
    applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'));
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("does not mind depth", () => {
    let deep: JSONValue = 1;
    for (let level = 0; level < 9_999; level++) deep = { a: deep };
    expect(stringifyJSON(applyMergePatch({}, deep))).toBe(stringifyJSON(deep));
  });
});
