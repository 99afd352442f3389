import { describe, expect, it } from "vitest";
import { parseJSONText, stringifySorted } from "../api/json/index.ts";
import type { JSONObject, JSONValue } from "../api/meta.ts";
import { compileSchema } from "./structural.ts";
import type { Schema } from "./types.ts";

const spec = (schema: Schema): Schema => ({ type: "object", properties: { spec: schema } });
const object = (value: JSONValue) => parseJSONText(stringifySorted(value)).value as JSONObject;

describe("pruning", () => {
  const schema: Schema = {
    type: "object",
    properties: {
      spec: {
        type: "object",
        properties: {
          a: { type: "string" },
          list: { type: "array", items: { type: "object", properties: { x: { type: "integer" } } } },
          map: { type: "object", additionalProperties: { type: "object", properties: { y: { type: "string" } } } },
          any: {
            type: "object",
            "x-kubernetes-preserve-unknown-fields": true,
            properties: { known: { type: "object", properties: {} } },
          },
          template: {
            type: "object",
            "x-kubernetes-embedded-resource": true,
            properties: { spec: { type: "object" } },
          },
          anything: { "x-kubernetes-preserve-unknown-fields": true },
        },
      },
    },
  };
  it("drops what is not specified and says where it was", () => {
    const value = object({
      apiVersion: "g/v1",
      kind: "K",
      metadata: { name: "n", labels: {} },
      extra: 1,
      spec: {
        a: "x",
        b: 1,
        list: [{ x: 1, z: 2 }, {}],
        map: { one: { y: "1", n: 1 } },
        any: { free: { deep: 1 }, known: { gone: 1 } },
        template: { apiVersion: "v1", kind: "Pod", metadata: { name: "t" }, spec: { gone: 1 }, other: 1 },
        anything: [1, { a: 2 }],
        __proto__x: 1,
      },
    });
    expect(compileSchema(schema).normalize(value).sort()).toEqual([
      "extra",
      "spec.__proto__x",
      "spec.any.known.gone",
      "spec.b",
      "spec.list[0].z",
      "spec.map.one.n",
      "spec.template.other",
      "spec.template.spec.gone",
    ]);
    expect(value).toEqual({
      apiVersion: "g/v1",
      kind: "K",
      metadata: { name: "n", labels: {} },
      spec: {
        a: "x",
        list: [{ x: 1 }, {}],
        map: { one: { y: "1" } },
        any: { free: { deep: 1 }, known: {} },
        template: { apiVersion: "v1", kind: "Pod", metadata: { name: "t" }, spec: {} },
        anything: [1, { a: 2 }],
      },
    });
  });

  it("prunes __proto__ like any other key", () => {
    const value = parseJSONText('{"spec":{"__proto__":{"x":1}}}').value as JSONObject;
    expect(compileSchema(schema).normalize(value)).toEqual(["spec.__proto__"]);
    expect(stringifySorted(value)).toBe('{"spec":{}}');
  });
});

describe("defaulting", () => {
  const cases: [string, Schema, JSONValue, JSONValue][] = [
    ["missing", { type: "object", properties: { a: { type: "integer", default: 3 } } }, {}, { a: 3 }],
    ["present", { type: "object", properties: { a: { type: "integer", default: 3 } } }, { a: 0 }, { a: 0 }],
    [
      "null goes where a default stands",
      { type: "object", properties: { a: { type: "integer", default: 3 } } },
      { a: null },
      { a: 3 },
    ],
    [
      "null stays where it is allowed",
      { type: "object", properties: { a: { type: "integer", default: 3, nullable: true } } },
      { a: null },
      { a: null },
    ],
    [
      "null without a default goes where it is no value",
      { type: "object", properties: { a: { type: "integer" } } },
      { a: null },
      {},
    ],
    [
      "no parents are made",
      { type: "object", properties: { p: { type: "object", properties: { a: { type: "integer", default: 3 } } } } },
      {},
      {},
    ],
    [
      "a default is defaulted",
      {
        type: "object",
        properties: { p: { type: "object", default: {}, properties: { a: { type: "integer", default: 3 } } } },
      },
      {},
      { p: { a: 3 } },
    ],
    [
      "items",
      { type: "array", items: { type: "object", properties: { a: { type: "string", default: "x" } } } },
      [{}, { a: "y" }],
      [{ a: "x" }, { a: "y" }],
    ],
    [
      "members of a map",
      { type: "object", additionalProperties: { type: "object", properties: { a: { type: "string", default: "x" } } } },
      { k: {} },
      { k: { a: "x" } },
    ],
  ];
  it.each(cases)("%s", (_, schema, before, after) => {
    const value = object({ spec: before });
    compileSchema(spec(schema)).normalize(value);
    expect(value).toEqual({ spec: after });
  });

  it("gives every object its own copy", () => {
    const compiled = compileSchema(
      spec({
        type: "object",
        properties: { a: { type: "object", default: { l: [] }, "x-kubernetes-preserve-unknown-fields": true } },
      }),
    );
    const [one, two] = [object({ spec: {} }), object({ spec: {} })];
    compiled.normalize(one);
    compiled.normalize(two);
    (one as { spec: { a: { l: number[] } } }).spec.a.l.push(1);
    expect(two).toEqual({ spec: { a: { l: [] } } });
  });
});

describe("validation in upstream's words", () => {
  const cases: [Schema, JSONValue, string[]][] = [
    [
      { type: "integer" },
      "string",
      ['FieldValueTypeInvalid spec: Invalid value: "string": spec in body must be of type integer: "string"'],
    ],
    [
      { type: "string" },
      null,
      ['FieldValueTypeInvalid spec: Invalid value: "null": spec in body must be of type string: "null"'],
    ],
    [{ type: "string", nullable: true }, null, []],
    [
      { type: "integer" },
      1.5,
      [
        'FieldValueTypeInvalid spec: Invalid value: "number": spec in body must be of type integer: "number"',
        'FieldValueInvalid <nil>: Invalid value: "": Checked value must be of type integer (default format) in spec',
      ],
    ],
    [{ type: "number" }, 1, []],
    [{ type: "integer" }, 9007199254740993n, []],
    [{ "x-kubernetes-int-or-string": true }, 5, []],
    [{ "x-kubernetes-int-or-string": true }, "5%", []],
    [
      { "x-kubernetes-int-or-string": true },
      true,
      ['FieldValueTypeInvalid spec: Invalid value: "boolean": spec in body must be of type integer,string: "boolean"'],
    ],
    [{ type: "object", required: ["foo"] }, {}, ["FieldValueRequired spec.foo: Required value"]],
    [
      { type: "string", enum: ["a", "b"] },
      "c",
      ['FieldValueNotSupported spec: Unsupported value: "c": supported values: "a", "b"'],
    ],
    [{ enum: [1, 2] }, 3, ['FieldValueNotSupported spec: Unsupported value: 3: supported values: "1", "2"']],
    [
      { type: "integer", maximum: 10 },
      11,
      ["FieldValueInvalid spec: Invalid value: 11: spec in body should be less than or equal to 10"],
    ],
    [
      { type: "integer", maximum: 10, exclusiveMaximum: true },
      10,
      ["FieldValueInvalid spec: Invalid value: 10: spec in body should be less than 10"],
    ],
    [
      { type: "number", minimum: 3 },
      2.5,
      ["FieldValueInvalid spec: Invalid value: 2.5: spec in body should be greater than or equal to 3"],
    ],
    [
      { type: "integer", minimum: 3, exclusiveMinimum: true },
      3,
      ["FieldValueInvalid spec: Invalid value: 3: spec in body should be greater than 3"],
    ],
    [
      { type: "integer", multipleOf: 5 },
      7,
      ["FieldValueInvalid spec: Invalid value: 7: spec in body should be a multiple of 5"],
    ],
    [
      { type: "string", pattern: "^(\\d+)$" },
      "x",
      ["FieldValueInvalid spec: Invalid value: \"x\": spec in body should match '^(\\d+)$'"],
    ],
    [{ type: "string", pattern: "b" }, "abc", []],
    [{ type: "string", maxLength: 2 }, "😀😀", []],
    [{ type: "string", maxLength: 2 }, "abc", ["FieldValueTooLong spec: Too long: may not be more than 2 bytes"]],
    [
      { type: "string", minLength: 3 },
      "a",
      ['FieldValueInvalid spec: Invalid value: "a": spec in body should be at least 3 chars long'],
    ],
    [{ type: "array", maxItems: 1 }, [1, 2], ["FieldValueTooMany spec: Too many: 2: must have at most 1 item"]],
    [
      { type: "array", minItems: 1 },
      [],
      ["FieldValueInvalid spec: Invalid value: 0: spec in body should have at least 1 items"],
    ],
    [
      { type: "object", maxProperties: 1 },
      { a: 1, b: 2 },
      ["FieldValueTooMany spec: Too many: 2: must have at most 1 item"],
    ],
    [
      { type: "object", minProperties: 1 },
      {},
      ["FieldValueInvalid spec: Invalid value: 0: spec in body should have at least 1 properties"],
    ],
    [
      { type: "array", items: { type: "string" } },
      ["a", 1],
      ['FieldValueTypeInvalid spec[1]: Invalid value: "integer": spec[1] in body must be of type string: "integer"'],
    ],
    [
      { type: "object", additionalProperties: { type: "string" } },
      { k: 1 },
      ['FieldValueTypeInvalid spec.k: Invalid value: "integer": spec.k in body must be of type string: "integer"'],
    ],
    [
      { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } },
      ["a", "b", "a"],
      ['FieldValueDuplicate spec[2]: Duplicate value: "a"'],
    ],
    [
      {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["key"],
        items: { type: "object" },
      },
      [
        { key: "a", v: 1 },
        { key: "a", v: 2 },
      ],
      ['FieldValueDuplicate spec[1]: Duplicate value: {"key":"a"}'],
    ],
    [
      { oneOf: [{ minimum: 1 }, { minimum: 2 }] },
      3,
      [
        'FieldValueInvalid <nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives',
      ],
    ],
    [
      { not: { enum: [1] } },
      1,
      ['FieldValueInvalid <nil>: Invalid value: "": "spec" must not validate the schema (not)'],
    ],
    [
      { type: "object", "x-kubernetes-embedded-resource": true },
      { kind: "Pod" },
      ["FieldValueRequired spec.apiVersion: Required value"],
    ],
  ];
  it.each(cases)("%j with %o", (schema, value, messages) => {
    const errors = compileSchema(spec(schema)).validate({ spec: value });
    expect(errors.map(({ reason, field, message }) => `${reason} ${field}: ${message}`)).toEqual(messages);
  });

  it("answers an attack on the pattern in linear time", () => {
    const compiled = compileSchema(spec({ type: "string", pattern: "^(a+)+$" }));
    expect(compiled.validate({ spec: `${"a".repeat(5_000)}!` })).toHaveLength(1);
  });

  it("answers with an error for a pattern that is no RE2 and was stored all the same", () => {
    const [error] = compileSchema(spec({ type: "string", pattern: "(?=a)" })).validate({ spec: "a" });
    expect(error!.message).toContain("spec in body should match '(?=a), but pattern is invalid: ");
  });

  it("stops collecting when a Status shows no more", () => {
    const errors = compileSchema(spec({ type: "array", items: { type: "string" } })).validate({
      spec: Array(5_000).fill(1),
    });
    expect(errors).toHaveLength(1_001);
  });
});

describe("rules", () => {
  const rule = (text: string): Schema => ({
    type: "object",
    properties: {
      spec: {
        type: "array",
        items: { type: "integer", "x-kubernetes-validations": [{ rule: text }] },
      },
    },
  });

  it("are nothing to wait for where there are none", () => {
    expect(compileSchema({ type: "object" }).validateRules({}, undefined, [])).toBeUndefined();
  });

  it("let others have their turn", async () => {
    const { validateRules } = compileSchema(rule("[1, 2, 3, 4, 5, 6, 7, 8].all(x, x + self > 0)"));
    let turns = 0;
    let done = false;
    const counting = (async () => {
      for (; !done; turns++) await new Promise((resolve) => setImmediate(resolve));
    })();
    // Some 80 units each: several slices.
    const errors = await validateRules({ spec: Array(20_000).fill(1) }, undefined, []);
    done = true;
    await counting;
    expect(errors).toEqual([]);
    expect(turns).toBeGreaterThan(3);
  });

  it("end with the budget", async () => {
    const { validateRules } = compileSchema(rule("[1, 2, 3, 4, 5, 6, 7, 8].all(x, x + self > 0)"));
    const errors = await validateRules({ spec: Array(1_000_000).fill(1) }, undefined, []);
    expect(errors!.map(({ message }) => message)).toEqual([
      'Invalid value: "integer": validation failed due to running out of cost budget, no further validation rules will be run',
    ]);
  });

  it("stop when a Status shows no more", async () => {
    const { validateRules } = compileSchema(rule("self > 1"));
    expect(await validateRules({ spec: Array(100_000).fill(1) }, undefined, [])).toHaveLength(1_001);
  });
});

describe("bad input", () => {
  it("takes a million items", () => {
    const compiled = compileSchema(spec({ type: "array", items: { type: "integer", maximum: 2_000_000 } }));
    const value = { spec: Array.from({ length: 1_000_000 }, (_, index) => index) };
    expect(compiled.normalize(value)).toEqual([]);
    expect(compiled.validate(value)).toEqual([]);
    expect(compiled.validateUpdate(value, { spec: [1] })).toEqual([]);
  });

  it("finds the one repetition in a hundred thousand", () => {
    const compiled = compileSchema(
      spec({ type: "array", "x-kubernetes-list-type": "set", items: { type: "integer" } }),
    );
    const value = { spec: [...Array.from({ length: 100_000 }, (_, index) => index), 7] };
    expect(compiled.validate(value)).toEqual([
      { reason: "FieldValueDuplicate", field: "spec[100000]", message: "Duplicate value: 7" },
    ]);
  });

  it("takes schemas and objects a thousand levels deep", () => {
    let schema: Schema = { type: "string", maxLength: 1 };
    let value: JSONValue = "long";
    for (let level = 0; level < 1_000; level++) {
      schema = { type: "object", properties: { a: schema } };
      value = { a: value };
    }
    const compiled = compileSchema(schema);
    expect(compiled.normalize(value as JSONObject)).toEqual([]);
    const [error] = compiled.validate(value);
    expect(error!.field).toBe(Array(1_000).fill("a").join("."));
    expect(compiled.validateUpdate(value, value)).toEqual([]);
  });

  it("refuses what is deeper than any schema the API accepts, schemas that contain themselves included", () => {
    const schema: Schema = { type: "object" };
    schema.properties = { a: schema };
    let value: JSONObject = {};
    for (let level = 0; level < 9_000; level++) value = { a: value };
    const compiled = compileSchema(schema);
    expect(compiled.normalize(value)).toEqual([]);
    expect(compiled.validate(value)).toHaveLength(1);
  });

  it("knows no inherited properties", () => {
    const schema = parseJSONText(
      '{"type":"object","properties":{"__proto__":{"type":"string"},"constructor":{"type":"string","default":"c"},"a":{"type":"integer"}}}',
    ).value as Schema;
    const value = parseJSONText('{"__proto__":{"polluted":1},"toString":1,"a":"x"}').value as JSONObject;
    const compiled = compileSchema(schema, false);
    expect(compiled.normalize(value)).toEqual(["__proto__.polluted", "toString"]);
    expect(stringifySorted(value)).toBe('{"__proto__":{},"a":"x","constructor":"c"}');
    expect(compiled.validate(value).map(({ field }) => field)).toEqual(["__proto__", "a"]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("reads integers beyond int64 as floats", () => {
    const value = parseJSONText('{"spec":12345678901234567890}').value as JSONObject;
    expect(compileSchema(spec({ type: "number" })).validate(value)).toEqual([]);
    expect(compileSchema(spec({ type: "integer" })).validate(value)[0]!.message).toContain('type integer: "number"');
  });
});
