/** Kubernetes' protobuf envelope `k8s\0` + runtime.Unknown, lists of messages that are encoded already, and watch frames (spec: apiserver 4.1, 6.3). */
import { apiVersionOf, type GroupVersionKind, type JSONObject, type ListMeta } from "../meta.ts";
import { writeMessage } from "./encode-protobuf.ts";
import { DecodeError } from "./fault.ts";
import type { Struct } from "./table.ts";
import { BYTES, Reader, Writer } from "./wire.ts";

const PREFIX = [0x6b, 0x38, 0x73, 0x00];

export interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  /** The message itself: a view on the input. */
  readonly raw: Uint8Array;
}

/** Opens an envelope from outside. Throws DecodeError with upstream's words. */
export function openEnvelope(body: Uint8Array): Envelope {
  if (body.length === 0) throw new DecodeError("empty data");
  if (PREFIX.some((byte, index) => body[index] !== byte)) {
    throw new DecodeError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  }
  if (body.length === PREFIX.length) throw new DecodeError("empty body");
  const reader = new Reader(body, PREFIX.length);
  let apiVersion = "";
  let kind = "";
  let raw: Uint8Array = body.subarray(body.length);
  eachField(reader, "Unknown", (number, wireType) => {
    if (number === 1) {
      expectBytes(wireType, "TypeMeta");
      eachField(new Reader(reader.view()), "TypeMeta", (inner, innerType, window) => {
        if (inner === 1) {
          expectBytes(innerType, "APIVersion");
          apiVersion = window.string();
        } else if (inner === 2) {
          expectBytes(innerType, "Kind");
          kind = window.string();
        } else window.skip(innerType);
      });
    } else if (number === 2) {
      expectBytes(wireType, "Raw");
      raw = reader.view();
    } else reader.skip(wireType);
  });
  return { apiVersion, kind, raw };
}

function eachField(
  reader: Reader,
  name: string,
  visit: (number: number, wireType: number, reader: Reader) => void,
): void {
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if ((tag & 7) === 4) throw new DecodeError(`proto: ${name}: wiretype end group for non-group`);
    if (tag >>> 3 === 0) throw new DecodeError(`proto: ${name}: illegal tag 0 (wire type ${tag})`);
    visit(tag >>> 3, tag & 7, reader);
  }
}

function expectBytes(wireType: number, field: string): void {
  if (wireType !== BYTES) throw new DecodeError(`proto: wrong wireType = ${wireType} for field ${field}`);
}

/** The fields behind (in the writer: before) the raw message, empty strings as Go writes them. */
function closeEnvelope(out: Writer, kind: GroupVersionKind, raw: () => void): Uint8Array {
  out.byte(0);
  out.byte(0x22);
  out.byte(0);
  out.byte(0x1a);
  let before = out.size;
  raw();
  out.varint(out.size - before);
  out.byte(0x12);
  before = out.size;
  out.string(kind.kind);
  out.byte(0x12);
  out.string(apiVersionOf(kind));
  out.byte(0x0a);
  out.varint(out.size - before);
  out.byte(0x0a);
  out.raw(PREFIX);
  return out.finish();
}

/** An object as a whole response. */
export function encodeEnvelope(kind: GroupVersionKind, struct: Struct, value: JSONObject): Uint8Array {
  const out = new Writer();
  return closeEnvelope(out, kind, () => writeMessage(struct, out, value));
}

/** An envelope around a message that is encoded already. */
export function wrapMessage(kind: GroupVersionKind, message: Uint8Array): Uint8Array {
  const out = new Writer();
  return closeEnvelope(out, kind, () => out.raw(message));
}

/** The message of one object, without envelope: what `encodeList` embeds. */
export function encodeMessage(struct: Struct, value: JSONObject): Uint8Array {
  const out = new Writer();
  writeMessage(struct, out, value);
  return out.finish();
}

/** The message inside an envelope of our own making: a view. */
export function messageOf(envelope: Uint8Array): Uint8Array {
  return openEnvelope(envelope).raw;
}

/** A list response from messages that are encoded already; nothing of the items is decoded. Every list kind has metadata=1 and items=2. */
export function encodeList(
  kind: GroupVersionKind,
  listMeta: Struct,
  metadata: ListMeta,
  messages: readonly Uint8Array[],
): Uint8Array {
  const out = new Writer();
  return closeEnvelope(out, kind, () => {
    for (let index = messages.length - 1; index >= 0; index--) {
      const message = messages[index]!;
      out.raw(message);
      out.varint(message.length);
      out.byte(0x12);
    }
    const before = out.size;
    writeMessage(listMeta, out, metadata as JSONObject);
    out.varint(out.size - before);
    out.byte(0x0a);
  });
}

/** One frame of a protobuf watch: four bytes of length (big endian), then a WatchEvent around an envelope. */
export function frameWatchEvent(type: string, envelope: Uint8Array): Uint8Array {
  const out = new Writer();
  out.raw(envelope);
  out.varint(envelope.length);
  out.byte(0x0a);
  out.varint(out.size);
  out.byte(0x12);
  out.string(type);
  out.byte(0x0a);
  const length = out.size;
  out.raw([length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff]);
  return out.finish();
}
