/** Strategic merge against what apimachinery made of the same cases (testdata is printed by `go run ./oracle patches` in tools/api-table). */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type JSONObject, type JSONValue, type KubeObject, parseAPIVersion } from "../api/meta.ts";
import { codecFor } from "./tables.ts";

interface Case {
  name: string;
  kind: string;
  original: JSONObject;
  patch: JSONObject;
  result?: JSONObject;
  error?: string;
}

const file = new URL("../api/types/testdata/strategic-merge.json", import.meta.url);
const cases = JSON.parse(readFileSync(file, "utf8")) as Case[];
const text = new TextDecoder();

function codecOf(kind: string) {
  const cut = kind.lastIndexOf("/");
  return codecFor({ ...parseAPIVersion(kind.slice(0, cut))!, kind: kind.slice(cut + 1) });
}

test.each(cases.filter((entry) => entry.error === undefined))("$name", ({ kind, original, patch, result }) => {
  const codec = codecOf(kind);
  const before = JSON.stringify([original, patch]);
  const merged = codec.strategicMerge!(original as unknown as KubeObject, patch);
  expect(JSON.stringify([original, patch])).toBe(before);
  expect(JSON.stringify(merged)).not.toMatch(/"\$(patch|retainKeys|setElementOrder|deleteFromPrimitiveList)/);
  let expected: string;
  try {
    expected = text.decode(codec.encode(codec.fromValue(result!).object));
  } catch (error) {
    expect(() => codec.fromValue(merged)).toThrow((error as Error).message);
    return;
  }
  expect(text.decode(codec.encode(codec.fromValue(merged).object))).toBe(expected);
});

test.each(cases.filter((entry) => entry.error !== undefined))(
  "$name: the error of apimachinery",
  ({ kind, original, patch, error }) => {
    expect(() => codecOf(kind).strategicMerge!(original as unknown as KubeObject, patch)).toThrow(error!);
  },
);

test("a patch that is no object is refused", () => {
  for (const patch of [null, 1, "x", [], true]) {
    expect(() => codecOf("v1/Pod").strategicMerge!({ metadata: {} }, patch)).toThrow("invalid JSON document");
  }
});

test("keys of Object's prototype are data", () => {
  const patch = JSON.parse('{"data":{"__proto__":"polluted","constructor":"c"}}') as JSONObject;
  const merged = codecOf("v1/ConfigMap").strategicMerge!({ metadata: {}, data: { a: "1" } }, patch) as JSONObject;
  expect(Object.keys(merged["data"] as JSONObject)).toEqual(["a", "__proto__", "constructor"]);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  expect(Object.getPrototypeOf({})).toBe(Object.prototype);
});

test("arbitrary patches end in a result without directives or in a StatusError", () => {
  const directive = fc.constantFrom(
    "$patch",
    "$retainKeys",
    "$setElementOrder/containers",
    "$deleteFromPrimitiveList/finalizers",
  );
  const keys = fc.oneof(directive, fc.constantFrom("spec", "containers", "name", "env", "metadata", "finalizers"));
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom<unknown>("delete", "replace", "a", 1, null, true),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(keys, tie("value"), { maxKeys: 4 }),
    ),
  }));
  const codec = codecOf("v1/Pod");
  const original = { metadata: { finalizers: ["x"] }, spec: { containers: [{ name: "a", env: [{ name: "e" }] }] } };
  fc.assert(
    fc.property(value, (patch) => {
      try {
        const merged = codec.strategicMerge!(original, patch as JSONObject);
        expect(JSON.stringify(merged)).not.toMatch(/"\$patch":/);
      } catch (error) {
        expect((error as Error).name).toBe("StatusError");
      }
    }),
    { numRuns: 500 },
  );
});

test("depth and mixed elements cost no stack and no panic", () => {
  const codec = codecOf("v1/ConfigMap");
  const deep = (levels: number, leaf: JSONValue) => {
    let value = leaf;
    for (let level = 0; level < levels; level++) value = { a: value };
    return value as JSONObject;
  };
  const original = { metadata: { finalizers: ["x"] }, data: { a: "b" } } as unknown as KubeObject;
  expect(codec.strategicMerge!(original, { zzz: deep(9_990, { $patch: "delete" }) })).toHaveProperty("zzz.a.a");
  expect(() => codec.strategicMerge!(original, { $setElementOrder: deep(9_990, 1) })).toThrow(
    "expected a []interface {}",
  );
  const held = { zzz: deep(5_000, 1) } as unknown as KubeObject;
  expect(() => codec.strategicMerge!(held, { zzz: deep(5_000, 1) })).toThrow(/unable to find api field|max depth/);
  const objects = { metadata: { "$setElementOrder/finalizers": [{}], finalizers: [{}] } };
  expect(() => codec.strategicMerge!(original, objects)).toThrow("list element types are not identical");
});
