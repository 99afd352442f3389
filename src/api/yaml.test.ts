import fc from "fast-check";
import { load } from "js-yaml";
import { describe, expect, it } from "vitest";
import { equalJSON } from "./json/index.ts";
import type { JSONValue } from "./meta.ts";
import { parseYAML, stringifyYAML } from "./yaml.ts";

describe("reading", () => {
  const cases: [string, unknown][] = [
    ["", null],
    ["a: 1\nb: [x, 'y']\nc: {d: null}", { a: 1, b: ["x", "y"], c: { d: null } }],
    ["---\na: 1\n", { a: 1 }],
    ['{"a": {"b": [1, true]}}', { a: { b: [1, true] } }],
    // go-yaml v2 resolves YAML 1.1 words and bases.
    ["[yes, No, on, OFF, y, n, ~, Null]", [true, false, true, false, true, false, null, null]],
    ["['yes', \"on\"]", ["yes", "on"]],
    ["[010, 0o10, 0x1f, 0b11, 1_000, +5, -0]", [8, 8, 31, 3, 1000, 5, 0]],
    ["[1.5, .5, 1e3, 1., 09]", [1.5, 0.5, 1000, 1, 9]],
    ["9007199254740993", 9007199254740993n],
    ["9223372036854775808", 2 ** 63],
    ["1".repeat(100), Number("1".repeat(100))],
    ["1".repeat(1000), "1".repeat(1000)],
    ["2001-12-14", "2001-12-14"],
    ["12:30:45", "12:30:45"],
    ["1: a\ntrue: b", { 1: "a", true: "b" }],
    ["a: &x {k: 1}\nb: *x", { a: { k: 1 }, b: { k: 1 } }],
    ["a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3", { a: { k: 1, l: 2 }, b: { k: 3, l: 2 } }],
    ["!!str 5", "5"],
    ["a: |\n  x\n  y\n", { a: "x\ny\n" }],
  ];
  it.each(cases)("%j", (text, value) => {
    expect(parseYAML(text)).toEqual({ value, problems: [] });
  });

  it("names the line of a duplicate key and lets the last value win", () => {
    const { value, problems } = parseYAML("a: 1\nspec:\n  replicas: 1\n  x: z\n  replicas: 2\n");
    expect(value).toEqual({ a: 1, spec: { replicas: 2, x: "z" } });
    expect(problems).toEqual(['line 5: key "replicas" already set in map']);
  });

  it("keeps __proto__ as data", () => {
    const { value } = parseYAML("__proto__:\n  polluted: 1\n");
    expect(Object.keys(value as object)).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it.each([
    ["a: b: c"],
    ["[1, 2"],
    ["a: *nowhere"],
    ["a: 1\n---\nb: 2"],
    ["!!js/function x"],
    ["? [a]\n: b"],
    [".inf"],
    ["[".repeat(5000)],
  ])("refuses %.20j", (text) => {
    expect(() => parseYAML(text)).toThrow(expect.objectContaining({ name: "YAMLSyntaxError" }));
  });

  it("refuses a billion laughs before it has written them out", () => {
    const lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"];
    for (let level = 1; level < 10; level++) {
      lines.push(
        `a${level}: &a${level} [${Array(10)
          .fill(`*a${level - 1}`)
          .join(", ")}]`,
      );
    }
    expect(() => parseYAML(lines.join("\n"))).toThrow("excessive aliasing");
  });
});

describe("writing", () => {
  it("sorts keys and writes blocks", () => {
    const value: JSONValue = {
      spec: { args: ["a", "b: c", "- d", ""], port: 80, on: "on" },
      kind: "Pod",
      text: "x\n y\n",
      none: null,
      empty: {},
      list: [[1], { a: 1 }],
    };
    expect(stringifyYAML(value)).toBe(
      'empty: {}\nkind: Pod\nlist:\n- - 1\n- a: 1\nnone: null\nspec:\n  args:\n  - a\n  - "b: c"\n  - "- d"\n  - ""\n  "on": "on"\n  port: 80\ntext: |\n  x\n   y\n',
    );
  });

  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom(..."ab: -#\n\t'\"|>{}[]&*!%@`,~?=0.1") }),
    fc.constantFrom("yes", "null", "0x10", "1e3", "2001-01-01", "|", "a\n\n", "\n", " a\nb", "a:", "é", "😀"),
  );
  const json = fc.letrec<{ value: JSONValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      text,
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Number.isInteger(value) ? 0 : value)),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(text, tie("value"), { maxKeys: 4 }),
    ) as fc.Arbitrary<JSONValue>,
  })).value;

  it("reading gives back what was written", () => {
    fc.assert(
      fc.property(json, (value) => {
        const written = stringifyYAML(value);
        const read = parseYAML(written);
        expect(read.problems).toEqual([]);
        if (!equalJSON(read.value, value)) expect({ written, read: read.value }).toEqual({ written, read: value });
      }),
      { numRuns: 400 },
    );
  });

  it("another reader understands it too", () => {
    const value = { a: ["x y", "1", "true", "a: b", "#c"], b: { c: "line\nline\n" } };
    expect(load(stringifyYAML(value))).toEqual(value);
  });
});
