import { describe, expect, it } from "vitest";
import { structuralCodec } from "./codec.ts";

const codec = structuralCodec(
  { group: "stable.example.com", version: "v1", kind: "CronTab" },
  {
    type: "object",
    properties: {
      spec: {
        type: "object",
        properties: {
          replicas: { type: "integer", default: 1 },
          image: { type: "string" },
          any: { "x-kubernetes-preserve-unknown-fields": true },
        },
      },
    },
  },
);
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (encoded: Uint8Array) => new TextDecoder().decode(encoded);
const decode = (json: string) => codec.decode(bytes(json), "application/json");

describe("decoding", () => {
  it("defaults kind and apiVersion, prunes, fills defaults and reports problems", () => {
    const { object, problems } = decode(
      '{"metadata":{"name":"a","bogus":1},"spec":{"image":"x","image":"y","foo":1},"extra":2}',
    );
    expect(object).toMatchObject({
      kind: "CronTab",
      apiVersion: "stable.example.com/v1",
      metadata: { name: "a" },
      spec: { image: "y", replicas: 1 },
    });
    expect(Object.keys(object).sort()).toEqual(["apiVersion", "kind", "metadata", "spec"]);
    expect(problems).toEqual([
      'duplicate field "spec.image"',
      'unknown field "metadata.bogus"',
      'unknown field "extra"',
      'unknown field "spec.foo"',
    ]);
  });

  it("reads YAML", () => {
    const body = bytes("metadata:\n  name: a\nspec:\n  replicas: 2\n  replicas: 3\n");
    const { object, problems } = codec.decode(body, "application/yaml");
    expect(object["spec"]).toEqual({ replicas: 3 });
    expect(problems).toEqual(['line 5: key "replicas" already set in map']);
  });

  const failures: [string, string][] = [
    [
      "{x",
      "the object provided is unrecognized (must be of type CronTab): couldn't get version/kind; json parse error: invalid character 'x' looking for beginning of object key string ({x)",
    ],
    [
      "",
      "the object provided is unrecognized (must be of type CronTab): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)",
    ],
    [
      '{"metadata":{"name":1}}',
      'CronTab in version "v1" cannot be handled as a CronTab: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string',
    ],
    [
      '{"apiVersion":"stable.example.com/v2","kind":"CronTab"}',
      "the API version in the data (stable.example.com/v2) does not match the expected API version (stable.example.com/v1)",
    ],
  ];
  it.each(failures)("%s", (body, message) => {
    expect(() => decode(body)).toThrow(expect.objectContaining({ code: 400, message }));
  });

  it("refuses protobuf by name", () => {
    expect(() => codec.decode(bytes("k8s\0"), "application/vnd.kubernetes.protobuf")).toThrow(
      expect.objectContaining({ code: 415 }),
    );
  });

  it("insists on a kind where asked to", () => {
    const strict = structuralCodec(codec.kind, { type: "object" }, { requireKind: true });
    expect(() => strict.decode(bytes('{"b":1,"a":2}'), "application/json")).toThrow(
      expect.objectContaining({
        code: 400,
        message: `the object provided is unrecognized (must be of type CronTab): Object 'Kind' is missing in '{"a":2,"b":1}' ({"b":1,"a":2})`,
      }),
    );
    const other = '{"kind":"Other","apiVersion":"stable.example.com/v1","metadata":{"name":"n"}}';
    expect(() => strict.decode(bytes(other), "application/json")).toThrow(
      expect.objectContaining({
        code: 422,
        message: 'Other.stable.example.com "n" is invalid: kind: Invalid value: "Other": must be CronTab',
      }),
    );
  });
});

describe("encoding", () => {
  it("is canonical whatever the order and spelling of the body", () => {
    const one = decode('{"spec":{"replicas":1,"image":"x"},"metadata":{"labels":{"b":"1","a":"2"},"name":"n"}}').object;
    const two = decode(
      '{ "kind":"CronTab", "metadata":{"name":"n","labels":{"a":"2","b":"1"}},"spec":{"image":"\\u0078"} }',
    ).object;
    expect(text(codec.encode(one))).toBe(
      '{"kind":"CronTab","apiVersion":"stable.example.com/v1","metadata":{"name":"n","resourceVersion":"","labels":{"a":"2","b":"1"}},"spec":{"image":"x","replicas":1}}',
    );
    expect(codec.encode(two)).toEqual(codec.encode(one));
    expect(text(codec.encode(one, "7"))).toContain('"resourceVersion":"7"');
  });

  it("writes what it accepts at any depth", () => {
    const deep = `${'{"a":'.repeat(9_990)}1${"}".repeat(9_990)}`;
    const { object } = decode(`{"spec":{"any":${deep}}}`);
    expect(text(codec.encode(object))).toContain(deep);
  });
});
