/** The few messages of etcd's v3 API that the engine speaks, written and read by hand on the wire format; fields it does not need are skipped. */
import { BinaryReader, BinaryWriter, type WireType } from "@bufbuild/protobuf/wire";

export interface KeyValue {
  /** undefined when the key is no UTF-8. */
  readonly key: string | undefined;
  readonly rawKey: Uint8Array;
  readonly value: Uint8Array;
  readonly modRevision: number;
  /** How often it was written since it came to be. */
  readonly version: number;
}

export interface RangeRequest {
  readonly key: string | Uint8Array;
  /** "" for the one key. */
  readonly end: Uint8Array | undefined;
  readonly limit?: number;
  /** 0: now. */
  readonly revision?: number;
  readonly countOnly?: boolean;
  readonly keysOnly?: boolean;
}

export interface RangeResponse {
  readonly revision: number;
  readonly rows: readonly KeyValue[];
  readonly more: boolean;
}

/** Compare the revision of `key` with `expected`; then put or delete it, else read it. */
export interface SwapRequest {
  readonly key: string;
  readonly expected: number;
  readonly value: Uint8Array | undefined;
  /** 0: none. */
  readonly lease: bigint;
}

export interface SwapResponse {
  readonly revision: number;
  readonly succeeded: boolean;
  /** The key's revision when it did not succeed; 0 when absent. */
  readonly current: number;
}

export interface WatchResponse {
  readonly revision: number;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: number;
  readonly cancelReason: string;
  /** More of the same revision follows. */
  readonly fragment: boolean;
  readonly events: readonly { readonly removed: boolean; readonly row: KeyValue }[];
}

/** Put `value` if `key` was written `version` times so far; else say how often it was. */
export interface TurnRequest {
  readonly key: string;
  readonly version: number;
  readonly value: string;
}

export interface TurnResponse {
  readonly revision: number;
  readonly succeeded: boolean;
  /** When it did not succeed. */
  readonly version: number;
}

const text = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true });

/** The first key after all that start with `prefix`; a single zero byte means "to the end". */
export function rangeEnd(prefix: string): Uint8Array {
  const bytes = text.encode(prefix);
  for (let index = bytes.length - 1; index >= 0; index--) {
    if (bytes[index]! === 0xff) continue;
    const end = bytes.slice(0, index + 1);
    end[index]!++;
    return end;
  }
  return new Uint8Array(1);
}

/** etcd refuses an empty key; the least key stands for "from the start". */
function keyBytes(key: string | Uint8Array): Uint8Array {
  if (typeof key !== "string") return key;
  return key === "" ? new Uint8Array(1) : text.encode(key);
}

export function encodeRange(request: RangeRequest): Uint8Array {
  return rangeInto(new BinaryWriter(), request).finish();
}

function rangeInto(writer: BinaryWriter, request: RangeRequest): BinaryWriter {
  writer.uint32(10).bytes(keyBytes(request.key));
  if (request.end !== undefined) writer.uint32(18).bytes(request.end);
  if (request.limit) writer.uint32(24).int64(request.limit);
  if (request.revision) writer.uint32(32).int64(request.revision);
  if (request.keysOnly) writer.uint32(64).bool(true);
  if (request.countOnly) writer.uint32(72).bool(true);
  return writer;
}

export function encodeSwap(request: SwapRequest): Uint8Array {
  const key = text.encode(request.key);
  const writer = new BinaryWriter();
  // Compare: result EQUAL (0), target MOD (2), key, mod_revision; a zero in a oneof must be on the wire.
  writer.uint32(10).fork().uint32(16).int32(2).uint32(26).bytes(key).uint32(48).int64(request.expected).join();
  writer.uint32(18).fork();
  if (request.value === undefined) {
    writer.uint32(26).fork().uint32(10).bytes(key).join();
  } else {
    writer.uint32(18).fork().uint32(10).bytes(key).uint32(18).bytes(request.value);
    if (request.lease !== 0n) writer.uint32(24).int64(request.lease);
    writer.join();
  }
  writer.join();
  writer.uint32(26).fork().uint32(10).fork();
  rangeInto(writer, { key: request.key, end: undefined, keysOnly: true });
  writer.join().join();
  return writer.finish();
}

export function encodeTurn(request: TurnRequest): Uint8Array {
  const key = text.encode(request.key);
  const writer = new BinaryWriter();
  // Compare: result EQUAL (0), target VERSION (0), key, version; a zero in a oneof must be on the wire.
  writer.uint32(10).fork().uint32(26).bytes(key).uint32(32).int64(request.version).join();
  writer.uint32(18).fork().uint32(18).fork();
  writer.uint32(10).bytes(key).uint32(18).bytes(text.encode(request.value)).join().join();
  writer.uint32(26).fork().uint32(10).fork();
  rangeInto(writer, { key: request.key, end: undefined });
  writer.join().join();
  return writer.finish();
}

/** A key written whatever it held. */
export function encodePut(key: string, value: string): Uint8Array {
  return new BinaryWriter().uint32(10).bytes(text.encode(key)).uint32(18).bytes(text.encode(value)).finish();
}

export function encodeCompact(revision: number): Uint8Array {
  return new BinaryWriter().uint32(8).int64(revision).finish();
}

/** `seconds` of life; the server chooses the id. */
export function encodeLeaseGrant(seconds: number): Uint8Array {
  return new BinaryWriter().uint32(8).int64(seconds).finish();
}

export function encodeWatchCreate(key: string, end: Uint8Array | undefined, startRevision: number): Uint8Array {
  const writer = new BinaryWriter();
  writer.uint32(10).fork();
  writer.uint32(10).bytes(keyBytes(key));
  if (end !== undefined) writer.uint32(18).bytes(end);
  writer.uint32(24).int64(startRevision);
  // progress_notify, and fragment: a large catch-up must not exceed the message limit.
  writer.uint32(32).bool(true).uint32(64).bool(true);
  return writer.join().finish();
}

export function encodeWatchProgress(): Uint8Array {
  return new BinaryWriter().uint32(26).fork().join().finish();
}

/** Calls `field` for every field; it returns false for one that it does not read. */
function read(bytes: Uint8Array, field: (number: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag() as [number, WireType];
    if (!field(number, reader)) reader.skip(wireType, number);
  }
}

function headerRevision(bytes: Uint8Array): number {
  let revision = 0;
  read(bytes, (field, reader) => {
    if (field !== 3) return false;
    revision = Number(reader.int64());
    return true;
  });
  return revision;
}

function readKeyValue(bytes: Uint8Array): KeyValue {
  let rawKey: Uint8Array = new Uint8Array(0);
  let value: Uint8Array = new Uint8Array(0);
  let modRevision = 0;
  let version = 0;
  read(bytes, (field, reader) => {
    if (field === 1) rawKey = reader.bytes();
    else if (field === 3) modRevision = Number(reader.int64());
    else if (field === 4) version = Number(reader.int64());
    else if (field === 5) value = reader.bytes();
    else return false;
    return true;
  });
  return { key: keyText(rawKey), rawKey, value, modRevision, version };
}

/** undefined: bytes that are no text are the key of nothing we know. */
function keyText(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

export function decodeRange(bytes: Uint8Array): RangeResponse {
  let revision = 0;
  let more = false;
  const rows: KeyValue[] = [];
  read(bytes, (field, reader) => {
    if (field === 1) revision = headerRevision(reader.bytes());
    else if (field === 2) rows.push(readKeyValue(reader.bytes()));
    else if (field === 3) more = reader.bool();
    else return false;
    return true;
  });
  return { revision, rows, more };
}

export function decodeSwap(bytes: Uint8Array): SwapResponse {
  let revision = 0;
  let succeeded = false;
  let current = 0;
  read(bytes, (field, reader) => {
    if (field === 1) revision = headerRevision(reader.bytes());
    else if (field === 2) succeeded = reader.bool();
    else if (field === 3) {
      read(reader.bytes(), (kind, response) => {
        if (kind !== 1) return false;
        current = decodeRange(response.bytes()).rows[0]?.modRevision ?? 0;
        return true;
      });
    } else return false;
    return true;
  });
  return { revision, succeeded, current };
}

export function decodeTurn(bytes: Uint8Array): TurnResponse {
  let revision = 0;
  let succeeded = false;
  let version = 0;
  read(bytes, (field, reader) => {
    if (field === 1) revision = headerRevision(reader.bytes());
    else if (field === 2) succeeded = reader.bool();
    else if (field === 3) {
      read(reader.bytes(), (kind, response) => {
        if (kind !== 1) return false;
        version = decodeRange(response.bytes()).rows[0]?.version ?? 0;
        return true;
      });
    } else return false;
    return true;
  });
  return { revision, succeeded, version };
}

/** A member's version, `3.6.1`. */
export function decodeStatusVersion(bytes: Uint8Array): string {
  let version = "";
  read(bytes, (field, reader) => {
    if (field !== 2) return false;
    version = reader.string();
    return true;
  });
  return version;
}

export function decodeLeaseGrant(bytes: Uint8Array): bigint {
  let id = 0n;
  read(bytes, (field, reader) => {
    if (field !== 2) return false;
    id = BigInt(reader.int64());
    return true;
  });
  return id;
}

const NOTHING: KeyValue = {
  key: undefined,
  rawKey: new Uint8Array(0),
  value: new Uint8Array(0),
  modRevision: 0,
  version: 0,
};

export function decodeWatch(bytes: Uint8Array): WatchResponse {
  let revision = 0;
  let created = false;
  let canceled = false;
  let compactRevision = 0;
  let cancelReason = "";
  let fragment = false;
  const events: { removed: boolean; row: KeyValue }[] = [];
  read(bytes, (field, reader) => {
    if (field === 1) revision = headerRevision(reader.bytes());
    else if (field === 3) created = reader.bool();
    else if (field === 4) canceled = reader.bool();
    else if (field === 5) compactRevision = Number(reader.int64());
    else if (field === 6) cancelReason = reader.string();
    else if (field === 7) fragment = reader.bool();
    else if (field === 11) {
      let removed = false;
      let row = NOTHING;
      read(reader.bytes(), (part, event) => {
        if (part === 1) removed = event.int32() === 1;
        else if (part === 2) row = readKeyValue(event.bytes());
        else return false;
        return true;
      });
      events.push({ removed, row });
    } else return false;
    return true;
  });
  return { revision, created, canceled, compactRevision, cancelReason, fragment, events };
}
