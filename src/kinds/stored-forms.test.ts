/** What a stock kube-apiserver leaves in etcd is read as what it means, for every kind; what cannot be read says why. */
import { describe, expect, it } from "vitest";
import { encodeCanonical } from "../api/json/index.ts";
import type { JSONValue, KubeObject } from "../api/meta.ts";
import { isCanonical, storedForms } from "../server/representation/stored-form.ts";
import type { ResourceDefinition } from "../server/resource.ts";
import { builtinResources } from "./index.ts";

const definitions = builtinResources();
const read = storedForms(definitions);
const text = (reading: ReturnType<typeof read>) =>
  "unreadable" in reading ? `unreadable: ${reading.unreadable}` : Buffer.from(reading).toString();

const MANAGED = [
  {
    manager: "kubectl-create",
    operation: "Update",
    apiVersion: "v1",
    time: "2026-01-02T03:04:05Z",
    fieldsType: "FieldsV1",
    fieldsV1: { "f:metadata": { "f:labels": { ".": {}, "f:a": {} } } },
  },
];

function sample({ codec, kind, namespaced }: ResourceDefinition): KubeObject {
  const metadata = {
    name: "x",
    ...(namespaced && { namespace: "ns" }),
    uid: "00000000-0000-4000-8000-000000000001",
    creationTimestamp: "2026-01-02T03:04:05Z",
    labels: { a: "b" },
    annotations: { resourceVersion: "7", 'quoted"': '{"resourceVersion":""}' },
    managedFields: MANAGED,
  };
  return codec.fromValue({ kind, metadata } as JSONValue).object;
}

const keyOf = ({ storagePrefix, namespaced }: ResourceDefinition) => `${storagePrefix}${namespaced ? "ns/" : ""}x`;

describe.each(
  definitions.map(
    (definition) => [`${definition.kind} ${definition.group}/${definition.version}`, definition] as const,
  ),
)("%s", (_, definition) => {
  const { codec, strategy, storage } = definition;
  const wanted = (object: KubeObject) => {
    strategy.setDefaults?.(object);
    const stored = storage === undefined ? object : (storage.toStored(object) as KubeObject);
    return Buffer.from((storage?.codec ?? codec).encode(stored)).toString();
  };

  it("is read from protobuf and from Go's JSON, with all its metadata, and is then canonical", () => {
    const expected = wanted(sample(definition));
    expect(expected).toContain('"managedFields":[{"manager":"kubectl-create"');
    const forms: Uint8Array[] = [Buffer.from(JSON.stringify(sample(definition)))];
    if (codec.encodeProtobuf !== undefined) forms.push(codec.encodeProtobuf(sample(definition)));
    for (const form of forms) {
      expect(isCanonical(form)).toBe(false);
      expect(text(read(keyOf(definition), form))).toBe(expected);
    }
    expect(isCanonical(Buffer.from(expected))).toBe(true);
  });

  it("what we wrote is the same array", () => {
    const ours = codec.encode(sample(definition));
    expect(read(keyOf(definition), ours)).toBe(ours);
  });

  it("of another kind or version, and damaged bytes, are unreadable", () => {
    const secret = Buffer.from('{"kind":"Nothing","apiVersion":"none/v9","metadata":{"name":"x"}}');
    expect(text(read(keyOf(definition), secret))).toBe(
      'unreadable: no kind "Nothing" is registered for version "none/v9" under this key',
    );
    const whole = codec.encodeProtobuf?.(sample(definition)) ?? Buffer.from("k8s\0");
    for (const damaged of [
      whole.subarray(0, 4),
      whole.subarray(0, whole.length - 9),
      Buffer.from("{"),
      Buffer.alloc(0),
    ]) {
      expect(text(read(keyOf(definition), damaged))).toMatch(/^unreadable: ./);
    }
  });
});

describe("values of kinds nobody knows yet", () => {
  const key = "/registry/stable.example.com/crontabs/ns/x";

  it("JSON of a custom resource becomes canonical, whatever its fields are called", () => {
    const stored = `{"apiVersion":"stable.example.com/v1","kind":"CronTab","metadata":{"creationTimestamp":"2026-01-02T03:04:05Z","name":"x","namespace":"ns","uid":"u"},"spec":{"resourceVersion":"12","big":9007199254740993}}\n`;
    const canonical = `{"kind":"CronTab","apiVersion":"stable.example.com/v1","metadata":{"name":"x","namespace":"ns","uid":"u","resourceVersion":"","creationTimestamp":"2026-01-02T03:04:05Z"},"spec":{"big":9007199254740993,"resourceVersion":"12"}}`;
    expect(text(read(key, Buffer.from(stored)))).toBe(canonical);
    expect(isCanonical(Buffer.from(canonical))).toBe(true);
    expect(isCanonical(encodeCanonical({ kind: "K", apiVersion: "a/v1", metadata: { name: 'a"\\' } }))).toBe(true);
  });

  it.each([["k8s\0\n\x0f"], ["anything"], ["[1]"], [""]])("%o is left as it is: nobody serves it", (value) => {
    const bytes = Buffer.from(value, "latin1");
    expect(text(read(key, bytes))).toBe(bytes[0] === 0x7b ? "" : bytes.toString());
  });

  it.each([
    ["k8s:enc:aescbc:v1:key1:abc", "identity transformer tried to read encrypted data"],
    ['{"apiVersion":"a/v1","kind":"K"}', "the object has no metadata"],
    ['{"apiVersion":"a/v1","kind":"K"', "unexpected end"],
  ])("%s is unreadable", (value, why) => {
    expect(text(read(key, Buffer.from(value)))).toContain("unreadable: ");
    expect(text(read(key, Buffer.from(value))).toLowerCase()).toContain(why.toLowerCase());
  });
});

it("never takes a value for canonical that only looks like it", () => {
  for (const value of [
    '{"kind":"A","apiVersion":"v1","metadata":{"labels":{"resourceVersion":""},"resourceVersion":""}}',
    '{"kind":"A","apiVersion":"v1","metadata":{"name":"x","resourceVersion":"5"}}',
    '{"kind":"A","apiVersion":"v1","metadata":{"name":"x"},"spec":{"resourceVersion":""}}',
    '{"kind":"A","apiVersion":"v1","metadata":{"name":"\\"resourceVersion\\":\\"\\""}}',
    '{"kind":"A","apiVersion":"v1","metadata":{"name":"x',
    '{"kind":"A"}',
  ]) {
    expect(isCanonical(Buffer.from(value)), value).toBe(false);
  }
});
