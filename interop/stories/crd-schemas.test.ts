import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFINITIONS, definition, install, uninstall, uniqueGroup } from "../crd.ts";
import { eventually, story } from "../story.ts";

const { target, namespace } = story();

const text = { type: "string" };
const integer = { type: "integer" };
const rules = (...all: (string | object)[]) => ({
  "x-kubernetes-validations": all.map((one) => (typeof one === "string" ? { rule: one } : one)),
});

/** A resource of one kind and schema, and what became of writing to it. */
function resourceOf(kind: string, spec: object, version: object = {}) {
  const group = uniqueGroup();
  const schema = { type: "object", properties: { spec } };
  const crd = definition(group, { kind, schema, version });
  const plural = `${kind.toLowerCase()}s`;
  const path = `/apis/${group}/v1/namespaces/${namespace}/${plural}`;
  const body = (name: string, value: unknown, more: object = {}) => ({
    apiVersion: `${group}/v1`,
    kind,
    metadata: { name },
    spec: value,
    ...more,
  });
  beforeAll(() => install(target, crd));
  afterAll(() => uninstall(target, crd.metadata.name));
  return {
    group,
    path,
    create: (name: string, value: unknown, query = "") =>
      target.call("POST", `${path}${query}`, { body: body(name, value) }),
    patch: (name: string, value: unknown) =>
      target.call("PATCH", `${path}/${name}`, {
        body: { spec: value },
        headers: { "content-type": "application/merge-patch+json" },
      }),
    /** Replaces the schema of the spec; resolves when the server holds objects against it: `probe` is refused then. */
    async tighten(next: object, probe: unknown) {
      const change = await target.call("PATCH", `${DEFINITIONS}/${crd.metadata.name}`, {
        body: [
          {
            op: "replace",
            path: "/spec/versions/0/schema/openAPIV3Schema",
            value: { type: "object", properties: { spec: next } },
          },
        ],
        headers: { "content-type": "application/json-patch+json" },
      });
      expect(change.status).toBe(200);
      await eventually(
        () => target.call("POST", `${path}?dryRun=All`, { body: body("probe", probe) }),
        ({ status }) => status === 422,
      );
    },
  };
}

/** What a 422 says, sorted: maps are walked in any order. */
function causes(answer: { status: number; json: { details?: { causes?: { field: string; message: string }[] } } }) {
  expect(answer.status).toBe(422);
  return (answer.json.details?.causes ?? []).map(({ field, message }) => `${field}: ${message}`).sort();
}

describe("fields a schema does not know", () => {
  const part = { type: "object", properties: { a: text } };
  const { create } = resourceOf("Pruned", {
    type: "object",
    properties: {
      known: part,
      parts: { type: "array", items: part },
      byName: { type: "object", additionalProperties: part },
      anything: { type: "object", additionalProperties: true },
      free: { type: "object", "x-kubernetes-preserve-unknown-fields": true, properties: { known: part } },
      freeItems: { type: "array", "x-kubernetes-preserve-unknown-fields": true, items: part },
    },
  });
  const value = {
    known: { a: "1", b: 2 },
    parts: [{ b: 1 }],
    byName: { one: { a: "1", b: 1 } },
    anything: { deep: { b: 1 }, flat: 1 },
    free: { b: { c: 1 }, known: { b: 1 } },
    freeItems: [{ b: 1 }],
    more: 1,
  };

  it("go, but for places where they may stay", async () => {
    const { status, json } = await create("a", value);
    expect([status, json.spec]).toEqual([
      201,
      {
        known: { a: "1" },
        parts: [{}],
        byName: { one: { a: "1" } },
        anything: { deep: {}, flat: 1 },
        free: { b: { c: 1 }, known: {} },
        freeItems: [{ b: 1 }],
      },
    ]);
  });

  it("are all named when the client asks to be strict", async () => {
    const { status, json } = await create("b", value, "?fieldValidation=Strict");
    const where = ["anything.deep.b", "byName.one.b", "free.known.b", "known.b", "more", "parts[0].b"];
    expect([status, json.message]).toEqual([
      400,
      expect.stringContaining(
        `strict decoding error: ${where.map((field) => `unknown field "spec.${field}"`).join(", ")}`,
      ),
    ]);
  });
});

describe("nulls and defaults", () => {
  const { create } = resourceOf("Defaulted", {
    type: "object",
    properties: {
      plain: text,
      given: { ...integer, default: 3 },
      nullable: { ...text, nullable: true, default: "x" },
      outer: { type: "object", default: {}, properties: { inner: { ...text, default: "y" } } },
      parent: { type: "object", properties: { inner: { ...text, default: "y" } } },
      list: { type: "array", items: { ...text, default: "z" } },
    },
  });

  it.each([
    [{}, { given: 3, nullable: "x", outer: { inner: "y" } }],
    [
      { plain: null, given: null, nullable: null, outer: null, parent: null, list: [null, "a"] },
      { given: 3, nullable: null, outer: { inner: "y" }, list: ["z", "a"] },
    ],
    [
      { given: 0, parent: {} },
      { given: 0, nullable: "x", outer: { inner: "y" }, parent: { inner: "y" } },
    ],
  ])("%j", async (given, stored) => {
    const { status, json } = await create(`a${JSON.stringify(given).length}`, given);
    expect([status, json.spec]).toEqual([201, stored]);
  });
});

describe("what is wrong with an object", () => {
  const { create } = resourceOf("Checked", {
    type: "object",
    required: ["name"],
    properties: {
      name: { ...text, maxLength: 5, pattern: "^[a-z]+$" },
      size: { ...integer, format: "int32", minimum: 1, maximum: 10, multipleOf: 2 },
      weight: { type: "number", maximum: 1_500_000.5 },
      mode: { ...text, enum: ["On", "Off"] },
      when: { ...text, format: "date-time" },
      port: { "x-kubernetes-int-or-string": true },
      tags: { type: "array", items: text, "x-kubernetes-list-type": "set", maxItems: 3 },
      ports: {
        type: "array",
        items: { type: "object", required: ["port"], properties: { port: integer, name: text } },
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port"],
      },
      way: {
        type: "object",
        properties: { by: text, via: text },
        oneOf: [{ required: ["by"] }, { required: ["via"] }],
      },
    },
  });

  it.each([
    [{}, ["spec.name: Required value"]],
    [{ name: "TooLong" }, ["spec.name: Too long: may not be more than 5 bytes"]],
    [{ name: "A" }, [`spec.name: Invalid value: "A": spec.name in body should match '^[a-z]+$'`]],
    [
      { name: "a", size: "big" },
      ['spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'],
    ],
    [
      { name: "a", size: 11 },
      [
        "spec.size: Invalid value: 11: spec.size in body should be a multiple of 2",
        "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10",
      ],
    ],
    [
      { name: "a", size: 4_294_967_296 },
      [
        '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.size',
        "spec.size: Invalid value: 4294967296: spec.size in body should be less than or equal to 10",
      ],
    ],
    [
      { name: "a", weight: 1_500_000.75 },
      ["spec.weight: Invalid value: 1.50000075e+06: spec.weight in body should be less than or equal to 1.5000005e+06"],
    ],
    [{ name: "a", mode: "off" }, ['spec.mode: Unsupported value: "off": supported values: "On", "Off"']],
    [
      { name: "a", when: "now" },
      ['spec.when: Invalid value: "now": spec.when in body must be of type date-time: "now"'],
    ],
    [
      { name: "a", port: true },
      ['spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"'],
    ],
    [{ name: "a", tags: ["x", "y", "x"] }, ['spec.tags[2]: Duplicate value: "x"']],
    [{ name: "a", tags: ["1", "2", "3", "4"] }, ["spec.tags: Too many: 4: must have at most 3 items"]],
    [{ name: "a", ports: [{ port: 1 }, { port: 1, name: "b" }] }, ['spec.ports[1]: Duplicate value: {"port":1}']],
    [
      { name: "a", way: {} },
      [
        '<nil>: Invalid value: "": "spec.way" must validate one and only one schema (oneOf). Found none valid',
        "spec.way.by: Required value",
      ],
    ],
    [
      { name: "a", way: { by: "1", via: "2" } },
      [
        '<nil>: Invalid value: "": "spec.way" must validate one and only one schema (oneOf). Found 2 valid alternatives',
      ],
    ],
  ])("%j", async (value, said) => {
    expect(causes(await create("wrong", value))).toEqual(said);
  });
});

describe("an object in an object", () => {
  const { create } = resourceOf("Template", {
    type: "object",
    properties: {
      pod: {
        type: "object",
        "x-kubernetes-embedded-resource": true,
        properties: { spec: { type: "object", properties: { node: text } } },
      },
    },
  });

  it("keeps its metadata, as far as there is such metadata", async () => {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { labels: { a: "b" }, annotations: {}, bogus: 1 },
      spec: { node: "n", gone: 1 },
      gone: 1,
    };
    const { status, json } = await create("good", { pod });
    expect([status, json.spec.pod]).toEqual([
      201,
      { apiVersion: "v1", kind: "Pod", metadata: { labels: { a: "b" } }, spec: { node: "n" } },
    ]);
  });

  it("names its kind, and follows the rules of names", async () => {
    const pod = { kind: "Po d", metadata: { name: "a/b", labels: { "c d": "" } } };
    expect(causes(await create("bad", { pod }))).toEqual([
      "spec.pod.apiVersion: Required value",
      expect.stringContaining(
        'spec.pod.kind: Invalid value: "Po d": may have mixed case, but should otherwise match: a DNS-1035 label must consist of',
      ),
      expect.stringContaining('spec.pod.metadata.labels: Invalid value: "c d": name part must consist of'),
      `spec.pod.metadata.name: Invalid value: "a/b": may not contain '/'`,
    ]);
  });
});

describe("a schema that asks for more than it did", () => {
  const item = { type: "object", required: ["k"], properties: { k: text, v: text, w: text } };
  const listed = (v: object) => ({
    type: "array",
    items: { ...item, properties: { ...item.properties, v } },
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["k"],
  });
  const spec = (short: object) => ({
    type: "object",
    properties: { a: short, b: text, plain: { type: "array", items: short }, keyed: listed(short) },
  });
  const { create, patch, tighten } = resourceOf("Ratchet", spec(text));

  it("leaves alone what does not change, and nothing else", async () => {
    const value = { a: "long", plain: ["long"], keyed: [{ k: "1", v: "long" }] };
    expect((await create("one", value)).status).toBe(201);
    await tighten(spec({ ...text, maxLength: 2 }), { a: "long" });

    expect((await patch("one", { b: "changed" })).status).toBe(200);
    const tooLong = (field: string) => `${field}: Too long: may not be more than 2 bytes`;
    expect(causes(await patch("one", { a: "longer" }))).toEqual([tooLong("spec.a")]);
    // Items of a plain list have no counterpart: the list changes as a whole.
    expect(causes(await patch("one", { plain: ["long", "ok"] }))).toEqual([tooLong("spec.plain[0]")]);
    const keyed = [{ k: "0" }, { k: "1", v: "long", w: "changed" }];
    expect((await patch("one", { keyed })).status).toBe(200);
    expect(causes(await patch("one", { keyed: [{ k: "2", v: "long" }] }))).toEqual([tooLong("spec.keyed[0].v")]);
    expect((await patch("one", { a: "ok" })).status).toBe(200);
    expect(causes(await patch("one", { a: "long" }))).toEqual([tooLong("spec.a")]);
  });
});

describe("rules", () => {
  const { create, patch, tighten } = resourceOf("Ruled", {
    type: "object",
    properties: {
      min: { ...integer, ...rules({ rule: "self >= 0", message: "must not be negative" }) },
      max: integer,
      once: { ...text, maxLength: 20, ...rules("self == oldSelf") },
      secret: {
        ...text,
        maxLength: 20,
        ...rules({ rule: "self == ''", reason: "FieldValueForbidden", message: "none" }),
      },
      mode: { ...text, enum: ["On"] },
      steps: {
        type: "array",
        maxItems: 10,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        items: {
          type: "object",
          required: ["name"],
          properties: { name: { ...text, maxLength: 20 }, at: { ...integer, ...rules("self >= oldSelf") } },
          ...rules({ rule: "self.at < 100", messageExpression: "self.name + ' is too late'" }),
        },
      },
    },
    ...rules({
      rule: "!has(self.max) || self.min <= self.max",
      fieldPath: ".max",
      message: "max must not be below min",
    }),
  });

  it.each([
    [{ min: -1 }, ["spec.min: Invalid value: -1: must not be negative"]],
    [{ min: 3, max: 2 }, ["spec.max: Invalid value: max must not be below min"]],
    [{ max: 2 }, ['spec: Invalid value: "object": no such key: min evaluating rule: max must not be below min']],
    [{ secret: "x" }, ["spec.secret: Forbidden: none"]],
    [{ steps: [{ name: "a", at: 100 }] }, ["spec.steps[0]: Invalid value: a is too late"]],
    [
      { min: -1, mode: "Off" },
      [
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
        'spec.mode: Unsupported value: "Off": supported values: "On"',
      ],
    ],
  ])("%j", async (value, said) => {
    expect(causes(await create("wrong", value))).toEqual(said);
  });

  it("about a change look at what was there, by name or key", async () => {
    const value = {
      min: 1,
      once: "a",
      steps: [
        { name: "x", at: 5 },
        { name: "y", at: 1 },
      ],
    };
    expect((await create("one", value)).status).toBe(201);
    expect(causes(await patch("one", { once: "b" }))).toEqual([
      'spec.once: Invalid value: "b": failed rule: self == oldSelf',
    ]);
    expect(
      (
        await patch("one", {
          steps: [
            { name: "y", at: 2 },
            { name: "z", at: 0 },
            { name: "x", at: 5 },
          ],
        })
      ).status,
    ).toBe(200);
    expect(causes(await patch("one", { steps: [{ name: "x", at: 4 }] }))).toEqual([
      "spec.steps[0].at: Invalid value: 4: failed rule: self >= oldSelf",
    ]);
    expect((await patch("one", { once: null })).status).toBe(200);
    expect((await patch("one", { once: "c" })).status).toBe(200);
  });

  it("that came later warn about what does not change", async () => {
    const even = rules({ rule: "self % 2 == 0", message: "must be even" });
    expect((await create("odd", { min: 1 })).status).toBe(201);
    await tighten({ type: "object", properties: { min: { ...integer, ...even }, max: integer } }, { min: 1 });
    const kept = await patch("odd", { max: 5 });
    expect([kept.status, kept.headers["warning"]]).toEqual([
      200,
      expect.stringContaining("spec.min: Invalid value: 1: must be even"),
    ]);
    expect(causes(await patch("odd", { min: 3 }))).toEqual(["spec.min: Invalid value: 3: must be even"]);
  });
});
