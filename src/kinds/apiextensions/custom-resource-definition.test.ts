import { describe, expect, test } from "vitest";
import { invalidValue } from "../../api/field-errors.ts";
import { own } from "../../api/json/index.ts";
import type { JSONObject } from "../../api/meta.ts";
import type { CustomResourceDefinition, JSONSchemaProps } from "../generated/types.ts";
import {
  decoded,
  printedRow,
  rehearsalContext,
  rehearseCreate,
  rehearseUpdate,
  subStrategy,
} from "../rehearse.test-support.ts";
import {
  CLEANUP_FINALIZER,
  customResourceDefinitions,
  findCondition,
  setCondition,
  storageVersion,
} from "./custom-resource-definition.ts";

const definitions = customResourceDefinitions();
const { strategy, codec } = definitions;

function definition(schema: unknown = { type: "object" }, version: object = {}, spec: object = {}): unknown {
  return {
    metadata: { name: "foos.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "foos", kind: "Foo" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema }, ...version }],
      ...spec,
    },
  };
}

type Outcome = ReturnType<typeof rehearseUpdate<CustomResourceDefinition>>;

/** With what is checked behind the other rules. */
async function checked({ object, errors }: Outcome, old?: CustomResourceDefinition): Promise<Outcome> {
  const found = (await strategy.validateRules!(object, old, [], rehearsalContext())) ?? [];
  return { object, errors: [...errors, ...found.map(({ field, message }) => `${field}: ${message}`)] };
}

const create = (value: unknown) => checked(rehearseCreate(definitions, value));
const update = (old: CustomResourceDefinition, change: (object: CustomResourceDefinition) => void) =>
  checked(rehearseUpdate(definitions, old, change), old);

async function stored(schema?: unknown, version: object = {}, established = true): Promise<CustomResourceDefinition> {
  const { object, errors } = await create(definition(schema, version));
  expect(errors).toEqual([]);
  if (established) setCondition(object, { type: "Established", status: "True" }, 0);
  return object;
}

const schemaOf = (object: CustomResourceDefinition): JSONSchemaProps =>
  object.spec.versions![0]!.schema!.openAPIV3Schema!;

describe("a new definition", () => {
  test("gets its defaults, generation 1 and the version it stores in", async () => {
    const { object, errors } = await create({
      ...(definition() as object),
      status: { storedVersions: ["v9"], acceptedNames: { plural: "x", kind: "Y" }, conditions: [] },
    });
    expect(errors).toEqual([]);
    expect(object.spec.names).toEqual({ plural: "foos", singular: "foo", kind: "Foo", listKind: "FooList" });
    expect(object.spec.conversion).toEqual({ strategy: "None" });
    expect(object.metadata.generation).toBe(1);
    expect(object.status).toEqual({
      conditions: null,
      acceptedNames: { plural: "", kind: "" },
      storedVersions: ["v1"],
    });
    expect(storageVersion(object)).toBe("v1");
  });

  test("has a webhook on port 443", () => {
    const webhook = { clientConfig: { service: { name: "a", namespace: "b" } }, conversionReviewVersions: ["v1"] };
    const object = decoded(definitions, definition(undefined, {}, { conversion: { strategy: "Webhook", webhook } }));
    expect(object.spec.conversion!.webhook!.clientConfig!.service!.port).toBe(443);
  });

  test("prints its name and when it was made", async () => {
    const object = await stored();
    object.metadata.creationTimestamp = "2026-01-02T03:04:05Z";
    expect(printedRow(definitions, object)).toEqual({ Name: "foos.example.com", "Created At": "2026-01-02T03:04:05Z" });
  });
});

describe("an update", () => {
  test("raises the generation when the specification changes, be it by an empty object", async () => {
    const unchanged = await update(await stored(), (object) => {
      object.metadata.labels = { a: "b" };
    });
    expect(unchanged.object.metadata.generation).toBe(1);
    const changed = await update(await stored(), (object) => {
      object.spec.versions![0]!.subresources = { status: {} };
    });
    expect(changed.object.metadata.generation).toBe(2);
  });

  test("leaves the status alone but for a new storage version", async () => {
    const { object, errors } = await update(await stored(), (changed) => {
      changed.status = { conditions: [], acceptedNames: { plural: "", kind: "" }, storedVersions: ["v7"] };
      const [first] = changed.spec.versions!;
      changed.spec.versions = [
        { ...first!, storage: false },
        { ...first!, name: "v2" },
      ];
    });
    expect(errors).toEqual([]);
    expect(object.status!.storedVersions).toEqual(["v1", "v2"]);
    expect(findCondition(object, "Established")).toMatchObject({ status: "True" });
  });

  test.each<[string, boolean, (object: CustomResourceDefinition) => void, string[]]>([
    ["the scope, once established", true, (object) => (object.spec.scope = "Cluster"), ["spec.scope"]],
    ["the scope, before", false, (object) => (object.spec.scope = "Cluster"), []],
    ["the kind, once established", true, (object) => (object.spec.names.kind = "Bar"), ["spec.names.kind"]],
    ["the group", false, (object) => (object.spec.group = "b.example.com"), ["spec.group"]],
    ["the plural", false, (object) => (object.spec.names.plural = "bars"), ["spec.names.plural"]],
  ])("may not change %s", async (_, established, change, fields) => {
    const { errors } = await update(await stored(undefined, {}, established), change);
    expect(errors).toEqual(
      fields.map((field) => expect.stringMatching(new RegExp(`^${field}: Invalid value: ".*": field is immutable$`))),
    );
  });

  test("keeps versions that objects may be stored in", async () => {
    const { errors } = await update(await stored(), (object) => {
      object.spec.versions![0]!.name = "v2";
    });
    expect(errors).toEqual([
      'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions',
    ]);
  });

  test("is told of formats that are new and unknown", async () => {
    const old = await stored({ type: "object", properties: { a: { type: "string", format: "odd" } } });
    const object = structuredClone(old);
    schemaOf(object).properties!["b"] = { type: "string", format: "odder" };
    const warnings: string[] = [];
    const context = { ...rehearsalContext(), warn: (text: string) => warnings.push(text) };
    await strategy.validateRules!(old, undefined, [], context);
    await strategy.validateRules!(object, old, [], context);
    await strategy.validateRules!(old, undefined, [invalidValue("a", "", "")], context);
    expect(warnings).toEqual(['unrecognized format "odd"', 'unrecognized format "odder"']);
  });
});

describe("what was wrong when it was stored may stay", () => {
  /** As a store that another server wrote may hold it. */
  const legacy = async (schema: JSONSchemaProps) => {
    const object = await stored();
    object.spec.versions![0]!.schema = { openAPIV3Schema: schema };
    return object;
  };
  const list = (more: object): JSONSchemaProps => ({
    type: "object",
    properties: { l: { type: "array", items: { type: "object", properties: { a: { type: "string" } } }, ...more } },
  });

  test.each<[string, JSONSchemaProps]>([
    ["a set of objects that merge", list({ "x-kubernetes-list-type": "set" })],
    [
      "a map with a key that may be missing",
      list({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"] }),
    ],
    ["a default with unknown fields", { type: "object", properties: { a: { type: "object", default: { b: 1 } } } }],
  ])("%s", async (_, schema) => {
    expect((await create(definition(schema))).errors).toHaveLength(1);
    const { errors } = await update(await legacy(schema), (object) => {
      schemaOf(object).description = "changed";
    });
    expect(errors).toEqual([]);
  });

  test("but nothing new comes with it", async () => {
    const { errors } = await update(await legacy(list({ "x-kubernetes-list-type": "set" })), (object) => {
      schemaOf(object).properties!["x"] = {};
    });
    expect(errors).toEqual([
      "spec.validation.openAPIV3Schema.properties[x].type: Required value: must not be empty for specified object fields",
    ]);
  });

  test("a missing schema, where nothing is pruned", async () => {
    const old = await stored();
    delete old.spec.versions![0]!.schema;
    old.spec.preserveUnknownFields = true;
    const { errors } = await update(old, (object) => {
      object.metadata.labels = { a: "b" };
    });
    expect(errors).toEqual([]);
    const pruning = await update(old, (object) => {
      delete object.spec.preserveUnknownFields;
    });
    expect(pruning.errors).toEqual([
      "spec.versions[0].schema.openAPIV3Schema: Required value: because otherwise all fields are pruned",
    ]);
  });
});

describe("the status", () => {
  test("is all that is written through it, but for metadata", async () => {
    const { object, errors } = rehearseUpdate(
      definitions,
      await stored(),
      (changed) => {
        changed.spec.scope = "Cluster";
        changed.metadata.labels = { a: "b" };
        changed.status!.storedVersions = ["v1", "v2"];
      },
      subStrategy(definitions, "status"),
    );
    expect(errors).toEqual([]);
    expect(object.spec.scope).toBe("Namespaced");
    expect(object.metadata.labels).toEqual({ a: "b" });
    expect(object.status!.storedVersions).toEqual(["v1", "v2"]);
  });

  test("accepts only names", async () => {
    const { errors } = rehearseUpdate(
      definitions,
      await stored(),
      (changed) => {
        changed.status!.acceptedNames = { plural: "A", kind: "Foo", listKind: "Foo" };
      },
      subStrategy(definitions, "status"),
    );
    expect(errors.map((error) => error.split(":")[0])).toEqual([
      "status.acceptedNames.plural",
      "status.acceptedNames.listKind",
    ]);
  });

  test("a condition's time moves with its status only", async () => {
    const object = await stored();
    setCondition(object, { type: "Established", status: "True", reason: "Again" }, 60_000);
    expect(findCondition(object, "Established")).toMatchObject({
      reason: "Again",
      lastTransitionTime: "1970-01-01T00:00:00Z",
    });
    setCondition(object, { type: "Established", status: "False" }, 60_000);
    expect(findCondition(object, "Established")!.lastTransitionTime).toBe("1970-01-01T00:01:00Z");
  });
});

test("the first delete announces the end, later ones wait for the objects", async () => {
  const object = await stored();
  const context = rehearsalContext(5_000);
  expect(strategy.beginDelete!(object, context)).toBe(true);
  expect(object.metadata.finalizers).toEqual([CLEANUP_FINALIZER]);
  expect(object.metadata.deletionTimestamp).toBe("1970-01-01T00:00:05Z");
  expect(findCondition(object, "Terminating")).toMatchObject({ status: "True", reason: "InstanceDeletionPending" });
  expect(strategy.beginDelete!(object, context)).toBe(true);
  expect(object.metadata.finalizers).toEqual([CLEANUP_FINALIZER]);
  delete object.metadata.finalizers;
  expect(strategy.beginDelete!(object, context)).toBe(false);
});

describe("hostile definitions", () => {
  const properties = (count: number, schema: object) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, schema]));
  const nested = (levels: number, wrap: (inner: object) => object) => {
    let schema: object = { type: "string" };
    for (let level = 0; level < levels; level++) schema = wrap(schema);
    return schema;
  };

  test("are told a thousand errors at most", async () => {
    const { errors } = await create(definition({ type: "object", properties: properties(5_000, {}) }));
    expect(errors).toHaveLength(1_000);
    const names = { plural: "foos", kind: "Foo", shortNames: new Array(200_000).fill("X") };
    expect((await create(definition(undefined, {}, { names }))).errors).toHaveLength(1_000);
  });

  test("are not told a long value a thousand times", async () => {
    const keys = Array.from({ length: 50_000 }, (_, index) => `k${index}`);
    const list = {
      type: "array",
      items: { type: "object" },
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": keys,
    };
    const { errors } = await create(definition({ type: "object", properties: { list } }));
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.join("").length).toBeLessThan(3_000_000);
  });

  test.each([
    ["objects", (inner: object) => ({ type: "object", properties: { a: inner } }), 900],
    ["lists", (inner: object) => ({ type: "array", items: inner }), 900],
    ["maps", (inner: object) => ({ type: "object", additionalProperties: inner }), 900],
  ])("may nest %s deep", async (_, wrap, levels) => {
    const { errors } = rehearseCreate(
      definitions,
      definition({ type: "object", properties: { a: nested(levels, wrap) } }),
    );
    expect(errors).toEqual([]);
  });

  test.each([
    ["properties", (inner: object) => ({ type: "object", properties: { a: inner } })],
    ["junctors", (inner: object) => ({ allOf: [inner] })],
    ["negations", (inner: object) => ({ not: inner })],
    ["lists of items", (inner: object) => ({ items: [inner] })],
  ])("with %s without end are refused", (_, wrap) => {
    expect(() => decoded(definitions, definition(nested(3_000, wrap)))).toThrow("exceeded max depth");
  });

  test("may use any name for a property", async () => {
    const text = '{"type":"object","properties":{"__proto__":{"type":"foo"},"toString":{"type":"string","default":1}}}';
    const { object, errors } = await create(definition(JSON.parse(text)));
    expect(errors.map((error) => error.split(":")[0])).toEqual([
      "spec.validation.openAPIV3Schema.properties[toString].default",
      "spec.validation.openAPIV3Schema.properties[__proto__].type",
    ]);
    expect(({} as { type?: string }).type).toBeUndefined();
    expect(own(schemaOf(object).properties as unknown as JSONObject, "__proto__")).toEqual({ type: "foo" });
  });

  test("of ten thousand versions are checked", async () => {
    const versions = Array.from({ length: 10_000 }, (_, index) => ({
      name: `v${index}`,
      served: true,
      storage: index < 2,
      schema: { openAPIV3Schema: { type: "object", description: `${index}` } },
    }));
    const { errors } = await create(definition(undefined, {}, { versions }));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain('"Schema":{"OpenAPIV3Schema":"…"}');
    expect(errors[0]).toMatch(/must have exactly one version marked as storage version$/);
  });
});

test("values of any kind are stored as upstream keeps them, in JSON and in protobuf", () => {
  const schema = {
    type: "object",
    description: "d",
    $schema: "http://json-schema.org/schema#",
    properties: {
      any: { enum: [null, 1.5, "<a>", { z: 1, a: [true] }], default: { z: 1, b: "x" }, example: false },
      list: { items: [{ type: "string" }, {}], additionalItems: false },
      map: { additionalProperties: true, dependencies: { a: ["b"], c: { type: "object" } } },
      ref: { $ref: "#/definitions/x", "x-kubernetes-preserve-unknown-fields": false, maximum: 0 },
    },
  };
  const object = decoded(definitions, definition(schema));
  const text = new TextDecoder().decode(codec.encode(object));
  expect(text).toContain('"default":{"b":"x","z":1}');
  expect(text).toContain('"enum":[null,1.5,"\\u003ca\\u003e",{"a":[true],"z":1}]');
  const again = codec.decode(codec.encodeProtobuf!(object), "application/vnd.kubernetes.protobuf").object;
  expect(JSON.parse(new TextDecoder().decode(codec.encode(again)))).toEqual(JSON.parse(text));
});
