/** The codecs of built-in kinds against Go's output for the same objects and bodies (testdata: `go run ./oracle` in tools/api-table). */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type KubeObject, parseAPIVersion } from "../api/meta.ts";
import { StatusError } from "../api/status.ts";
import { messageOf } from "../api/types/envelope.ts";
import { encodeListProtobuf } from "../api/types/meta.ts";
import { builtinSchemas, builtinTypes, codecFor } from "./tables.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const utf8 = new TextEncoder();
const text = new TextDecoder();
const testdata = (name: string) => readFileSync(new URL(`../api/types/testdata/${name}`, import.meta.url), "utf8");

interface Sample {
  apiVersion: string;
  kind: string;
  json: string;
  protobuf: string;
  back?: string;
}

const samples = testdata("objects.jsonl")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Sample);
const codecOf = (apiVersion: string, kind: string) => codecFor({ ...parseAPIVersion(apiVersion)!, kind });

/** Go leaves an empty resourceVersion out; our slot is always there. */
function encode(sample: Sample, object: KubeObject): string {
  const version = object.metadata?.resourceVersion ?? "";
  const json = text.decode(codecOf(sample.apiVersion, sample.kind).encode(object, version));
  if (version !== "") return json;
  return json.replace(/"resourceVersion":"",/, "").replace(/,?"resourceVersion":""\}/, "}");
}

describe("random objects", () => {
  test.each(samples.map((sample, index) => ({ ...sample, index })))("$apiVersion $kind #$index", (sample) => {
    const codec = codecOf(sample.apiVersion, sample.kind);
    const go = Buffer.from(sample.protobuf, "base64");
    const fromJSON = codec.decode(utf8.encode(sample.json), "application/json");
    expect(fromJSON.problems).toEqual([]);
    expect(encode(sample, fromJSON.object)).toBe(sample.json);
    expect(Buffer.from(codec.encodeProtobuf!(fromJSON.object)).equals(go)).toBe(true);
    const fromProtobuf = codec.decode(go, PROTOBUF).object;
    expect(encode(sample, fromProtobuf)).toBe(sample.back ?? sample.json);
    // A decoded object is a fixed point: decoding it again changes nothing.
    expect(encode(sample, codec.fromValue(structuredClone(fromJSON.object) as never).object)).toBe(sample.json);
  });
});

interface Body {
  kind: string;
  body: string;
  error: string;
  json?: string;
}

function messageOfError(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
}

describe("bodies", () => {
  const bodies = JSON.parse(testdata("bodies.json")) as Body[];
  test.each(bodies)("$kind $body", ({ kind, body, error, json }) => {
    const cut = kind.lastIndexOf("/");
    const codec = codecOf(kind.slice(0, cut), kind.slice(cut + 1));
    const run = () => codec.decode(utf8.encode(body), "application/json");
    const strict = "strict decoding error: ";
    if (error !== "" && !error.startsWith(strict)) {
      const version = kind.slice(0, cut).split("/").at(-1);
      const name = kind.slice(cut + 1);
      expect(messageOfError(run)).toBe(`${name} in version "${version}" cannot be handled as a ${name}: ${error}`);
      return;
    }
    const { object, problems } = run();
    const expected = error === "" ? [] : error.slice(strict.length).split(", ");
    expect([...problems].sort()).toEqual(expected.sort());
    const sample = { apiVersion: kind.slice(0, cut), kind: kind.slice(cut + 1), json: "", protobuf: "" };
    // Go leaves out what the body left out; the codec always names the kind.
    expect(encode(sample, object)).toBe(
      `{"kind":"${sample.kind}","apiVersion":"${sample.apiVersion}",${json!.slice(1)}`,
    );
  });
});

describe("whole bodies", () => {
  const decode = (body: string) =>
    codecFor({ group: "apps", version: "v1", kind: "Deployment" }).decode(utf8.encode(body), "application/json");
  test.each([
    [
      "",
      "the object provided is unrecognized (must be of type Deployment): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)",
    ],
    [
      "[]",
      'of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (5b5d)',
    ],
    ['{"kind":5}', 'json: cannot unmarshal number into Go struct field .kind of type string ({"kind":5})'],
    ['{"apiVersion":"a/b/c"}', "unexpected GroupVersion string: a/b/c"],
    [
      '{"kind":"Pod","apiVersion":"v1"}',
      "the API version in the data (v1) does not match the expected API version (apps/v1)",
    ],
    [
      '{"kind":"ReplicaSet","apiVersion":"apps/v1"}',
      'ReplicaSet in version "v1" cannot be handled as a Deployment: converting',
    ],
    [
      '{"kind":"Deployment","apiVersion":"apps/v1beta1"}',
      'Deployment in version "v1beta1" cannot be handled as a Deployment: no kind "Deployment" is registered for version "apps/v1beta1" in scheme',
    ],
  ])("%s", (body, message) => {
    expect(() => decode(body)).toThrow(message);
  });

  test("kind and apiVersion default to the endpoint's", () => {
    const { object } = decode('{"metadata":{"name":"x"}}');
    expect(Object.keys(object).slice(0, 2)).toEqual(["kind", "apiVersion"]);
    expect(object.apiVersion).toBe("apps/v1");
  });

  test("YAML", () => {
    const codec = codecFor({ group: "", version: "v1", kind: "ConfigMap" });
    expect(codec.decode(utf8.encode("data:\n  a: b\n"), "application/yaml").object["data"]).toEqual(
      codec.fromValue({ data: { a: "b" } }).object["data"],
    );
    expect(() => codec.decode(utf8.encode("a: [b"), "application/yaml")).toThrow(
      "the object provided is unrecognized (must be of type ConfigMap)",
    );
  });

  test("no more than a hundred problems", () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`x${index}`, 1]));
    expect(decode(JSON.stringify(many)).problems).toHaveLength(100);
  });

  test("a schema nested without end is refused, not a crash", () => {
    const codec = codecFor({ group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition" });
    const depth = 3000;
    const schema = `${'{"properties":{"a":'.repeat(depth)}{}${"}}".repeat(depth)}`;
    const body = `{"spec":{"versions":[{"schema":{"openAPIV3Schema":${schema}}}]}}`;
    expect(() => codec.decode(utf8.encode(body), "application/json")).toThrow("exceeded max depth");
  });
});

describe("hostile keys", () => {
  const codec = codecFor({ group: "", version: "v1", kind: "ConfigMap" });
  const body =
    '{"metadata":{"labels":{"__proto__":"x"}},"data":{"__proto__":"a","constructor":"b","toString":"c"},"__proto__":{"polluted":true}}';

  test("__proto__ is data in maps and unknown in structures, in JSON and in protobuf", () => {
    const { object, problems } = codec.decode(utf8.encode(body), "application/json");
    expect(problems).toEqual(['unknown field "__proto__"']);
    const again = codec.decode(codec.encodeProtobuf!(object), PROTOBUF).object;
    for (const one of [object, again]) {
      expect(Object.keys(one["data"])).toEqual(["__proto__", "constructor", "toString"]);
      expect(text.decode(codec.encode(one))).toContain('"data":{"__proto__":"a","constructor":"b","toString":"c"}');
    }
    expect((object as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

describe("hostile protobuf", () => {
  const codec = codecFor({ group: "apps", version: "v1", kind: "Deployment" });
  const good = Buffer.from(samples.find((sample) => sample.kind === "Deployment")!.protobuf, "base64");
  const wrap = (raw: number[]) => {
    const length = raw.length < 128 ? [raw.length] : [(raw.length & 0x7f) | 0x80, raw.length >> 7];
    return new Uint8Array([0x6b, 0x38, 0x73, 0x00, 0x12, ...length, ...raw]);
  };
  const decode = (bytes: Uint8Array) => codec.decode(bytes, PROTOBUF);

  test.each<[string, Uint8Array, string]>([
    ["empty", new Uint8Array(0), "empty data (<empty>)"],
    [
      "no prefix",
      utf8.encode('{"kind":"Deployment"}'),
      "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",
    ],
    ["prefix alone", new Uint8Array([0x6b, 0x38, 0x73, 0]), "empty body (6b387300)"],
    ["envelope cut", new Uint8Array([0x6b, 0x38, 0x73, 0, 0x12, 0x05, 1]), "unexpected EOF"],
    [
      "envelope with a wrong wire type",
      new Uint8Array([0x6b, 0x38, 0x73, 0, 0x10, 0x05]),
      "proto: wrong wireType = 0 for field Raw",
    ],
    ["length beyond the end", wrap([0x0a, 0xff, 0xff, 0xff, 0x7f]), "unexpected EOF"],
    ["negative length", wrap([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), "negative length"],
    ["varint without end", wrap([0x0a, ...new Array<number>(12).fill(0xff)]), "integer overflow"],
    ["cut varint", wrap([0x0a, 0xff]), "unexpected EOF"],
    ["metadata as a number", wrap([0x08, 0x01]), "proto: wrong wireType = 0 for field Metadata"],
    ["replicas as bytes", wrap([0x12, 0x02, 0x0a, 0x00]), "proto: wrong wireType = 2 for field Replicas"],
    ["field number zero", wrap([0x00, 0x01]), "proto: Deployment: illegal tag 0 (wire type 0)"],
    ["end of group", wrap([0x0c]), "proto: Deployment: wiretype end group for non-group"],
    ["group without end", wrap([0x7b, 0x08, 0x01]), "unexpected EOF"],
    ["wire type seven", wrap([0x7f]), "proto: illegal wireType 7"],
  ])("%s", (_, bytes, message) => {
    expect(() => decode(bytes)).toThrow(message);
    try {
      decode(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(StatusError);
      expect((error as StatusError).code).toBe(400);
    }
  });

  test("unknown fields and whole groups are skipped", () => {
    expect(decode(wrap([0xfb, 0x07, 0x08, 0x01, 0xfc, 0x07, 0xf8, 0x07, 0x05])).object.kind).toBe("Deployment");
  });

  test("deep nesting is refused", () => {
    const schema = codecFor({ group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition" });
    let message: number[] = [];
    const prefix = (tag: number[]) => {
      const size: number[] = [];
      let length = message.length;
      for (; length >= 0x80; length >>>= 7) size.push((length & 0x7f) | 0x80);
      size.push(length);
      message = [...tag, ...size, ...message];
    };
    // JSONSchemaProps.not (28) inside itself.
    for (let depth = 0; depth < 2500; depth++) prefix([0xe2, 0x01]);
    prefix([0x0a]);
    prefix([0x22]);
    prefix([0x3a]);
    prefix([0x12]);
    prefix([0x12]);
    const bytes = new Uint8Array([0x6b, 0x38, 0x73, 0, ...message]);
    expect(() => schema.decode(bytes, PROTOBUF)).toThrow(StatusError);
  });

  test("every prefix of a good message and every flipped byte ends in an object or a 400", () => {
    const attempt = (bytes: Uint8Array) => {
      try {
        const { object } = decode(bytes);
        codec.encode(object);
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        expect(error.code).toBe(400);
      }
    };
    for (let end = 0; end < good.length; end += 7) attempt(good.subarray(0, end));
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const bytes = Uint8Array.from(good);
        bytes[at] = byte;
        attempt(bytes);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (raw) => attempt(wrap([...raw]))),
      { numRuns: 500 },
    );
  });

  test("a message given twice is merged, as protobuf wants", () => {
    const metadata = (name: number[], tag: number) => [0x0a, name.length + 2, tag, name.length, ...name];
    const { object } = decode(wrap([...metadata([0x61], 0x0a), ...metadata([0x62], 0x1a)]));
    expect([object.metadata.name, object.metadata.namespace]).toEqual(["a", "b"]);
  });
});

test("a list is its items' messages, not encoded again", () => {
  const pods = samples.filter((sample) => sample.kind === "Pod");
  const codec = codecFor({ group: "", version: "v1", kind: "PodList" });
  const messages = pods.map((pod) => messageOf(Buffer.from(pod.protobuf, "base64")));
  const bytes = encodeListProtobuf(codec.kind, { resourceVersion: "7", remainingItemCount: 3 }, messages);
  const list = codec.decode(bytes, PROTOBUF).object;
  expect(list["items"]).toHaveLength(pods.length);
  expect(list.metadata.resourceVersion).toBe("7");
  expect(Buffer.from(codec.encodeProtobuf!(list)).equals(bytes)).toBe(true);
});

test("every kind encodes an empty object and reads it back", () => {
  for (const kind of builtinTypes.kinds()) {
    const codec = codecFor(kind);
    // A WatchEvent is no object: it has neither kind nor apiVersion.
    if (!codec.struct.byName.has("kind")) continue;
    const json = codec.encode({ metadata: {} });
    const again = codec.decode(json, "application/json");
    expect([kind.kind, again.problems]).toEqual([kind.kind, []]);
    expect(text.decode(codec.encode(again.object))).toBe(text.decode(json));
    if (codec.encodeProtobuf !== undefined) {
      const back = codec.decode(codec.encodeProtobuf(again.object), PROTOBUF).object;
      expect(text.decode(codec.encode(back))).toBe(text.decode(json));
    }
  }
});

test("schemas refer only to schemas that are there", () => {
  const schemas = builtinSchemas(builtinTypes.kinds());
  const references = new Set(
    [...JSON.stringify(schemas).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map((match) => match[1]!),
  );
  expect([...references].filter((name) => schemas[name] === undefined)).toEqual([]);
  const { properties, required } = schemas["io.k8s.api.core.v1.Container"] as {
    properties: Record<string, unknown>;
    required: string[];
  };
  expect(required).toEqual(["name"]);
  expect(properties["ports"]).toEqual({
    type: "array",
    items: { allOf: [{ $ref: "#/components/schemas/io.k8s.api.core.v1.ContainerPort" }], default: {} },
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
    "x-kubernetes-patch-strategy": "merge",
    "x-kubernetes-patch-merge-key": "containerPort",
  });
});
