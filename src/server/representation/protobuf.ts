/** The few protobuf messages the server frames by itself: the `k8s\0` envelope, lists of encoded items, watch events (spec: apiserver 4.1, 6.3). */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { asBuffer } from "./canonical.ts";

const MAGIC = Uint8Array.of(0x6b, 0x38, 0x73, 0x00);
const LENGTH_DELIMITED = 2;

const tag = (field: number) => (field << 3) | LENGTH_DELIMITED;

/** `runtime.Unknown` around a message, behind the magic prefix. */
export function envelope(apiVersion: string, kind: string, raw: Uint8Array): Buffer {
  const typeMeta = new BinaryWriter().uint32(tag(1)).string(apiVersion).uint32(tag(2)).string(kind).finish();
  const unknown = new BinaryWriter()
    .uint32(tag(1))
    .bytes(typeMeta)
    .uint32(tag(2))
    .bytes(raw)
    .uint32(tag(3))
    .string("")
    .uint32(tag(4))
    .string("")
    .finish();
  return Buffer.concat([MAGIC, unknown]);
}

/** The message inside an envelope we made or a codec made: field 2 of `runtime.Unknown`. */
export function unwrap(bytes: Uint8Array): Buffer {
  const buffer = asBuffer(bytes);
  let at = MAGIC.length;
  const varint = () => {
    let value = 0;
    let shift = 0;
    for (;;) {
      const byte = buffer[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
      shift += 7;
    }
  };
  while (at < buffer.length) {
    const key = varint();
    const length = varint();
    if (key === tag(2)) return buffer.subarray(at, at + length);
    at += length;
  }
  return Buffer.alloc(0);
}

/** The first field of a message, tag and length included: the metadata of every kind, and all of a PartialObjectMetadata. */
export function firstField(message: Buffer): Buffer {
  let at = 1;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = message[at++] ?? 0;
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return message.subarray(0, at + length);
}

/** A length-delimited field: its tag and length, to be followed by the bytes themselves. */
export function fieldHeader(field: number, length: number): Uint8Array {
  return new BinaryWriter().uint32(tag(field)).uint32(length).finish();
}

export interface ListHead {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

/** ListMeta: selfLink=1, resourceVersion=2, continue=3, remainingItemCount=4. */
export function encodeListMeta(head: ListHead): Uint8Array {
  const writer = new BinaryWriter().uint32(tag(1)).string("");
  writer.uint32(tag(2)).string(head.resourceVersion);
  writer.uint32(tag(3)).string(head.continue ?? "");
  if (head.remainingItemCount !== undefined) writer.uint32(4 << 3).int64(head.remainingItemCount);
  return writer.finish();
}

/** One watch event with its four-byte length: `WatchEvent{type=1, object=2 RawExtension{raw=1}}`. */
export function watchFrame(type: string, object: Uint8Array): Buffer {
  const extension = new BinaryWriter().uint32(tag(1)).bytes(object).finish();
  const event = new BinaryWriter().uint32(tag(1)).string(type).uint32(tag(2)).bytes(extension).finish();
  const length = Buffer.alloc(4);
  length.writeUInt32BE(event.length);
  return Buffer.concat([length, event]);
}
