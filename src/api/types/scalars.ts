/** Scalars with a form of their own: what Go reads, in the form in which Go writes it back. */

import type { JSONValue } from "../meta.ts";
import { canonicalQuantity } from "../quantity.ts";
import { canonicalMicroTime, canonicalTime, formatDurationNanos, parseDurationNanos } from "../time.ts";
import { toBase64, writeBase64 } from "./base64.ts";
import { type Cursor, DecodeError } from "./fault.ts";
import { goTimeError } from "./time-error.ts";

const UTC_SECONDS = /^\d{4}-(?:0[1-9]|1[0-2])-(?:[01]\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;
const ZERO_TIME = "0001-01-01T00:00:00Z";

/** `metav1.Time`: seconds in UTC; Go's zero time is written as null. */
export function readTime(text: string): JSONValue {
  // Most times arrive in the form in which they leave.
  const time = UTC_SECONDS.test(text) ? text : canonicalTime(text);
  if (time === undefined) throw new DecodeError(goTimeError(text, false));
  return time === ZERO_TIME ? null : time;
}

/** `metav1.MicroTime`: exactly six digits. */
export function readMicroTime(text: string): JSONValue {
  const time = canonicalMicroTime(text);
  if (time === undefined) throw new DecodeError(goTimeError(text, true));
  return time === "0001-01-01T00:00:00.000000Z" ? null : time;
}

export function readDuration(text: string): string {
  try {
    return formatDurationNanos(parseDurationNanos(text));
  } catch (error) {
    throw new DecodeError((error as Error).message);
  }
}

/** Whole numbers with one of the usual suffixes are canonical unless a larger suffix would do. */
const CANONICAL_QUANTITY = /^[1-9]\d{0,2}(?:m|Ki|Mi|Gi|k|M|G)?$/;
const WRONG_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

export function readQuantity(value: JSONValue): string {
  if (typeof value === "string") {
    if (CANONICAL_QUANTITY.test(value)) return value;
    value = value.trim();
  } else if (typeof value !== "number" && typeof value !== "bigint") {
    throw new DecodeError(WRONG_QUANTITY);
  }
  try {
    return canonicalQuantity(value);
  } catch (error) {
    throw new DecodeError((error as Error).message);
  }
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Standard base64 with padding. Go skips line breaks and ignores the unused bits at the end. */
export function decodeBase64(text: string, cursor: Cursor): string | undefined {
  const compact = /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, "") : text;
  if (!BASE64.test(compact)) {
    cursor.error ??= `illegal base64 data at input byte ${badByte(text)}`;
    return undefined;
  }
  if (!compact.endsWith("=")) return compact;
  const bytes = new Uint8Array((compact.length / 4) * 3);
  return toBase64(bytes.subarray(0, writeBase64(compact, bytes, 0)));
}

/** Where Go's decoder stops: at the first byte outside the alphabet, else behind the padding or at the end. */
function badByte(text: string): number {
  let valid = 0;
  let quad = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === "\n" || character === "\r") continue;
    if (/[A-Za-z0-9+/]/.test(character)) {
      valid++;
      quad = valid % 4 === 1 ? index : quad;
      continue;
    }
    if (character !== "=" || valid % 4 < 2) return index;
    if (valid % 4 === 3) return Math.min(index + 1, text.length);
    return text[index + 1] === "=" ? index + 2 : index + 1;
  }
  return valid % 4 === 0 ? text.length : text.length - (valid % 4 === 0 ? 0 : text.length - quad);
}
