import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  blankRevision,
  compareUTF8,
  encodeCanonical,
  encodeJSON,
  equalJSON,
  findMetadata,
  parseJSON,
  slotValue,
  sortKeys,
  spliceRevision,
  stringifyJSON,
  stringifySorted,
  utf8Length,
} from "./index.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("encoding as Go does", () => {
  it.each([
    ['<a href="x">&</a>', '"\\u003ca href=\\"x\\"\\u003e\\u0026\\u003c/a\\u003e"'],
    ["\u2028\u2029", '"\\u2028\\u2029"'],
    ["\b\f\n\r\t\u0001\u007f", '"\\b\\f\\n\\r\\t\\u0001\u007f"'],
    [1e21, "1e+21"],
    [1e20, "100000000000000000000"],
    [1e-7, "1e-7"],
    [0.000001, "0.000001"],
    [-0, "-0"],
    [9223372036854775807n, "9223372036854775807"],
    [{ a: undefined, b: null }, '{"b":null}'],
    [[undefined], "[null]"],
    ["\ud800", '"\ufffd"'],
  ])("%o", (value, json) => {
    expect(stringifyJSON(value)).toBe(json);
  });

  it("refuses what JSON cannot say", () => {
    expect(() => encodeJSON(Number.NaN)).toThrow("json: unsupported value: NaN");
  });
});

describe("order by bytes", () => {
  it("differs from UTF-16 order beyond U+FFFF", () => {
    expect(sortKeys(["😀", "｡", "b", "10", "9"])).toEqual(["10", "9", "b", "｡", "😀"]);
  });

  it("is the order of the encoded bytes", () => {
    const encode = (value: string) => new TextEncoder().encode(value);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        expect(Math.sign(compareUTF8(a, b))).toBe(Math.sign(Buffer.compare(encode(a), encode(b))));
        expect(utf8Length(a)).toBe(encode(a).length);
      }),
    );
  });
});

describe("canonical bytes", () => {
  const object = {
    zeta: { b: 1, a: 2 },
    metadata: {
      labels: { b: "1", a: "2" },
      name: "n",
      uid: "u",
      namespace: "",
      finalizers: [],
      creationTimestamp: null,
      deletionGracePeriodSeconds: 0,
      managedFields: [{ fieldsV1: {}, manager: "m" }],
    },
    apiVersion: "g/v1",
    kind: "K",
    alpha: true,
  };

  it("have one order", () => {
    expect(text(encodeCanonical(object))).toBe(
      '{"kind":"K","apiVersion":"g/v1","metadata":{"name":"n","uid":"u","resourceVersion":"","deletionGracePeriodSeconds":0,"labels":{"a":"2","b":"1"},"managedFields":[{"manager":"m","fieldsV1":{}}]},"alpha":true,"zeta":{"a":2,"b":1}}',
    );
  });

  it("have a slot that is filled, read and blanked", () => {
    const blank = encodeCanonical(object);
    const filled = spliceRevision(blank, 42);
    expect(filled).toEqual(encodeCanonical(object, "42"));
    expect([slotValue(blank), slotValue(filled)]).toEqual(["", "42"]);
    expect(spliceRevision(filled, "1234567")).toEqual(encodeCanonical(object, "1234567"));
    expect(blankRevision(filled)).toEqual(blank);
    expect(blankRevision(blank)).toBe(blank);
  });

  it("show their metadata without being parsed", () => {
    const bytes = encodeCanonical(object, "7");
    const { start, end } = findMetadata(bytes);
    expect(JSON.parse(text(bytes.subarray(start, end)))).toMatchObject({
      name: "n",
      resourceVersion: "7",
      labels: { a: "2" },
    });
  });

  it("are refused without a slot", () => {
    expect(() => spliceRevision(new TextEncoder().encode("{}"), 1)).toThrow("not canonical");
  });

  it("nothing in an object can pose as the slot or the end of metadata", () => {
    const hostile = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('"', "\\", "{", "}", ":", ",") }),
      fc.constantFrom('"resourceVersion":"9"', '\\"resourceVersion\\":\\"', '"metadata":{', '}"', "\\"),
    );
    fc.assert(
      fc.property(
        hostile,
        hostile,
        hostile,
        fc.dictionary(hostile, hostile),
        fc.dictionary(hostile, hostile),
        (kind, name, namespace, labels, rest) => {
          const value = {
            ...rest,
            kind,
            apiVersion: name,
            metadata: { name, namespace, selfLink: kind, uid: namespace, labels },
            spec: labels,
          };
          const bytes = spliceRevision(encodeCanonical(value), 123);
          const parsed = parseJSON(bytes).value as { metadata: { resourceVersion: string } };
          expect(parsed.metadata.resourceVersion).toBe("123");
          const { start, end } = findMetadata(bytes);
          expect(equalJSON(parseJSON(bytes.slice(start, end)).value, parsed.metadata)).toBe(true);
          expect(stringifySorted(parseJSON(blankRevision(bytes)).value)).toBe(
            stringifySorted(parseJSON(encodeCanonical(value)).value),
          );
        },
      ),
    );
  });
});
