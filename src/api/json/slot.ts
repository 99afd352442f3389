/**
 * The resourceVersion slot of canonical bytes: found and filled without parsing.
 *
 * Canonical JSON begins `{"kind":…,"apiVersion":…,"metadata":{…` and its metadata has ObjectMeta's order, so before the slot come only kind, apiVersion,
 * name, generateName, namespace, selfLink and uid, whose values are strings. Inside a JSON string every quote is written `\"`, so the bytes
 * `"resourceVersion":"` cannot occur in one: `resourceVersion` is followed there by a backslash. The first occurrence is therefore the slot.
 */
import { encodeUTF8 } from "./utf8.ts";

const SLOT = encodeUTF8('"resourceVersion":"');
const METADATA = encodeUTF8('"metadata":{');
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function find(bytes: Uint8Array, pattern: Uint8Array, from: number): number {
  const last = bytes.length - pattern.length;
  search: for (let at = bytes.indexOf(QUOTE, from); at >= 0 && at <= last; at = bytes.indexOf(QUOTE, at + 1)) {
    for (let index = 1; index < pattern.length; index++) {
      if (bytes[at + index] !== pattern[index]) continue search;
    }
    return at;
  }
  return -1;
}

/** Where a revision stands in canonical bytes: `start` behind the opening quote, `end` before the closing one. */
export interface Slot {
  readonly start: number;
  readonly end: number;
}

/** Throws when there is none: the bytes are not canonical. */
export function findSlot(bytes: Uint8Array): Slot {
  const at = find(bytes, SLOT, 0);
  if (at < 0) throw new Error("no resourceVersion slot: these bytes are not canonical JSON");
  const start = at + SLOT.length;
  return { start, end: bytes.indexOf(QUOTE, start) };
}

/** The revision in the slot; "" when it is blank. */
export function slotValue(bytes: Uint8Array): string {
  const { start, end } = findSlot(bytes);
  return String.fromCharCode(...bytes.subarray(start, end));
}

/** A copy of canonical bytes with `revision` (decimal digits) in the slot. */
export function spliceRevision(bytes: Uint8Array, revision: number | bigint | string): Uint8Array {
  const { start, end } = findSlot(bytes);
  const digits = `${revision}`;
  const result = new Uint8Array(bytes.length - (end - start) + digits.length);
  result.set(bytes.subarray(0, start), 0);
  for (let index = 0; index < digits.length; index++) result[start + index] = digits.charCodeAt(index);
  result.set(bytes.subarray(end), start + digits.length);
  return result;
}

/** A copy with an empty slot; the same bytes when it is empty already. */
export function blankRevision(bytes: Uint8Array): Uint8Array {
  const { start, end } = findSlot(bytes);
  return start === end ? bytes : spliceRevision(bytes, "");
}

/** The range of the metadata object in canonical bytes, braces included: what PartialObjectMetadata shows. */
export function findMetadata(bytes: Uint8Array): Slot {
  // The same argument as for the slot: only kind and apiVersion come before it.
  const at = find(bytes, METADATA, 0);
  if (at < 0) throw new Error("no metadata: these bytes are not canonical JSON");
  const start = at + METADATA.length - 1;
  let depth = 0;
  for (let index = start; index < bytes.length; index++) {
    const byte = bytes[index]!;
    if (byte === QUOTE) {
      do {
        index = bytes.indexOf(QUOTE, index + 1);
        if (index < 0) throw new Error("metadata does not end: these bytes are not canonical JSON");
      } while (isEscaped(bytes, index));
    } else if (byte === 0x7b) depth++;
    else if (byte === 0x7d && --depth === 0) return { start, end: index + 1 };
  }
  throw new Error("metadata does not end: these bytes are not canonical JSON");
}

/** A quote is part of its string when an odd number of backslashes stands before it. */
function isEscaped(bytes: Uint8Array, at: number): boolean {
  let count = 0;
  while (bytes[at - 1 - count] === BACKSLASH) count++;
  return count % 2 === 1;
}
