import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  indent,
  metadataStart,
  objectEnd,
  resourceVersionSlot,
  sameButResourceVersion,
  withoutEmptyVersion,
  withResourceVersion,
} from "./canonical.ts";

/** Names and labels that try to look like what is searched for. */
const nasty = fc.oneof(
  fc.string(),
  fc.constantFrom('"metadata":{', '"resourceVersion":"9"', "}", "{", '\\"', "\\", '","resourceVersion":"1'),
);
const objects = fc.record({
  name: nasty,
  labels: fc.dictionary(nasty, nasty),
  revision: fc.nat(),
  spec: fc.dictionary(nasty, fc.jsonValue()),
});
const bytesOf = ({ name, labels, spec }: { name: string; labels: unknown; spec: unknown }, revision: number | string) =>
  Buffer.from(
    JSON.stringify({
      kind: "Widget",
      apiVersion: "v1",
      metadata: { name, resourceVersion: String(revision), labels },
      spec,
    }),
  );

describe("finding one's way without parsing", () => {
  test("the metadata is exactly the metadata", () => {
    fc.assert(
      fc.property(objects, (object) => {
        const bytes = bytesOf(object, object.revision);
        const start = metadataStart(bytes);
        const metadata = JSON.parse(bytes.subarray(start, objectEnd(bytes, start)).toString());
        expect(metadata).toEqual(JSON.parse(bytes.toString()).metadata);
      }),
    );
  });

  test("another resourceVersion changes nothing else", () => {
    fc.assert(
      fc.property(objects, fc.nat(), (object, revision) => {
        const bytes = bytesOf(object, object.revision);
        expect(withResourceVersion(bytes, String(revision)).equals(bytesOf(object, revision))).toBe(true);
        expect(sameButResourceVersion(bytes, bytesOf(object, ""))).toBe(true);
        const { start, end } = resourceVersionSlot(bytes);
        expect(bytes.toString("latin1", start, end)).toBe(String(object.revision));
      }),
    );
  });

  test("an empty version is left out whole, any other stays", () => {
    fc.assert(
      fc.property(objects, (given) => {
        const empty = withoutEmptyVersion(bytesOf(given, ""));
        const { resourceVersion: _, ...metadata } = JSON.parse(bytesOf(given, "").toString()).metadata;
        expect(JSON.parse(Buffer.from(empty).toString()).metadata).toEqual(metadata);
        const full = bytesOf(given, 7);
        expect(withoutEmptyVersion(full)).toBe(full);
      }),
    );
    for (const [given, wanted] of [
      ['{"metadata":{"resourceVersion":""}}', '{"metadata":{}}'],
      ['{"metadata":{"name":"a","resourceVersion":""}}', '{"metadata":{"name":"a"}}'],
      ['{"metadata":{"resourceVersion":"","labels":{}}}', '{"metadata":{"labels":{}}}'],
    ] as const) {
      expect(Buffer.from(withoutEmptyVersion(Buffer.from(given))).toString()).toBe(wanted);
    }
  });

  test("two objects are the same only when they are", () => {
    fc.assert(
      fc.property(objects, objects, (a, b) => {
        const left = bytesOf(a, 1);
        expect(sameButResourceVersion(left, bytesOf(b, 22))).toBe(left.equals(bytesOf(b, 1)));
      }),
    );
  });
});

test("indenting bytes equals indenting the value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      const parsed = JSON.parse(text);
      expect(indent(Buffer.from(text)).toString()).toBe(JSON.stringify(parsed, null, 2));
    }),
  );
});
