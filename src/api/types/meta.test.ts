import { expect, test } from "vitest";
import type { KubeObject } from "../meta.ts";
import { notFound } from "../status.ts";
import { frameWatchEvent, messageOf, openEnvelope, wrapMessage } from "./envelope.ts";
import { encodeStatusProtobuf, metaCodec, metaTypes } from "./meta.ts";
import { Reader } from "./wire.ts";

const utf8 = new TextEncoder();
const text = new TextDecoder();
const PROTOBUF = "application/vnd.kubernetes.protobuf";

test.each(["v1", "apps/v1", "meta.k8s.io/v1"])("DeleteOptions may name %s", (apiVersion) => {
  const body = utf8.encode(
    `{"kind":"DeleteOptions","apiVersion":"${apiVersion}","gracePeriodSeconds":0,"orphanDependents":false}`,
  );
  const { object } = metaCodec("DeleteOptions").decode(body, "application/json");
  // Pointers: zero says something.
  expect(object).toMatchObject({ gracePeriodSeconds: 0, orphanDependents: false });
});

test("another kind in place of DeleteOptions is refused", () => {
  const body = utf8.encode('{"kind":"Pod","apiVersion":"v1"}');
  expect(() => metaCodec("DeleteOptions").decode(body, "application/json")).toThrow(
    /does not match the expected API version/,
  );
});

test("a Status survives protobuf", () => {
  const { status } = notFound({ group: "apps", resource: "deployments" }, "x");
  const bytes = encodeStatusProtobuf(status);
  const codec = metaCodec("Status");
  expect(JSON.parse(text.decode(codec.encode(codec.decode(bytes, PROTOBUF).object)))).toEqual(status);
});

test("a Status is written in Go's order", () => {
  const status = { code: 404, status: "Failure", metadata: {}, message: "<no>", details: {} };
  expect(text.decode(metaCodec("Status").encode(status as KubeObject))).toBe(
    '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"\\u003cno\\u003e","details":{},"code":404}',
  );
});

test("a Table has JSON only", () => {
  expect(metaCodec("Table").encodeProtobuf).toBeUndefined();
  expect(() => metaCodec("Table").decode(wrapMessage(metaCodec("Table").kind, new Uint8Array(0)), PROTOBUF)).toThrow(
    "object *v1.Table does not implement the protobuf marshalling interface",
  );
});

test("PartialObjectMetadata keeps the slot of the resourceVersion", () => {
  const codec = metaCodec("PartialObjectMetadata");
  expect(text.decode(codec.encode({ metadata: { name: "a" } }, "5"))).toBe(
    '{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a","resourceVersion":"5"}}',
  );
});

test("aggregated discovery", () => {
  const codec = metaCodec("APIGroupDiscoveryList");
  const { problems } = codec.decode(
    utf8.encode(
      '{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{},"items":[{"metadata":{"name":"apps"},"versions":[]}]}',
    ),
    "application/json",
  );
  expect(problems).toEqual([]);
});

test("an envelope opens to what it was made of", () => {
  const message = new Uint8Array([0x0a, 0x00]);
  const envelope = wrapMessage({ group: "apps", version: "v1", kind: "Deployment" }, message);
  expect(openEnvelope(envelope)).toEqual({ apiVersion: "apps/v1", kind: "Deployment", raw: message });
  expect(messageOf(envelope)).toEqual(message);
});

test("a watch frame is a length and a WatchEvent around the envelope", () => {
  const envelope = encodeStatusProtobuf({ kind: "Status", apiVersion: "v1", metadata: {}, code: 410 });
  const frame = frameWatchEvent("ERROR", envelope);
  const length = new DataView(frame.buffer, frame.byteOffset).getUint32(0);
  expect(length).toBe(frame.length - 4);
  const reader = new Reader(frame, 4);
  expect(reader.uint32()).toBe(0x0a);
  expect(reader.string()).toBe("ERROR");
  expect(reader.uint32()).toBe(0x12);
  const object = new Reader(reader.view());
  expect(object.uint32()).toBe(0x0a);
  expect(object.view()).toEqual(envelope);
});

test("every field of every meta kind has a type", () => {
  for (const kind of metaTypes.kinds()) {
    const struct = metaTypes.kind(kind)!;
    expect(struct.fields.every((field) => field.name !== "" && field.type.go !== "")).toBe(true);
  }
});
