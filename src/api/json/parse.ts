/** JSON bytes to a value: a guard scan over the bytes decides whether the native parser may be trusted with them. */
import type { JSONObject, JSONValue } from "../meta.ts";
import { newObject } from "./object.ts";
import { type Parsed, parseText } from "./tokenizer.ts";
import { decodeUTF8 } from "./utf8.ts";

export { JSONSyntaxError, MAX_DEPTH, MAX_PROBLEMS, type Parsed } from "./tokenizer.ts";

/** Documents nested deeper than this take the tokenizer, which needs no stack. */
const NATIVE_DEPTH = 200;

/**
 * Parses a body as Go would (spec: apiserver 2.14, security J-01…J-08). Objects are safe against any key; duplicate keys are problems and the
 * last wins; an int64 is exact. Throws JSONSyntaxError with Go's text.
 */
export function parseJSON(bytes: Uint8Array): Parsed {
  const text = decodeUTF8(bytes);
  const members = countMembers(bytes);
  if (members >= 0) {
    let native: JSONValue;
    try {
      native = JSON.parse(text);
    } catch {
      return parseText(text);
    }
    const counter: Counter = { members: 0 };
    const value = revive(native, counter);
    // The native parser drops a repeated key: fewer members in the value than colons in the text.
    if (counter.members === members) return { value, problems: [] };
  }
  return parseText(text);
}

/** The same for text, such as a constant of ours or a query parameter. Lone surrogates become U+FFFD. */
export function parseJSONText(text: string): Parsed {
  return parseText(text.toWellFormed());
}

interface Counter {
  members: number;
}

/** Rebuilds native objects in the safe class and counts their members. */
function revive(value: JSONValue, counter: Counter): JSONValue {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item = value[index]!;
      if (typeof item === "object" && item !== null) value[index] = revive(item, counter);
    }
    return value;
  }
  const result: JSONObject = newObject();
  // Straight from JSON.parse: every enumerable key is an own one, and nobody could add to Object.prototype without breaking everything else too.
  for (const key in value) {
    counter.members++;
    const item = value[key]!;
    result[key] = typeof item === "object" && item !== null ? revive(item, counter) : item;
  }
  return result;
}

/**
 * The number of object members (colons outside strings), or -1 when only the tokenizer reads this document as Go does:
 * sixteen digits in a row, an exponent, a negative zero, an escaped surrogate, or much nesting.
 */
function countMembers(bytes: Uint8Array): number {
  const length = bytes.length;
  let members = 0;
  let depth = 0;
  let at = 0;
  while (at < length) {
    const byte = bytes[at++]!;
    if (byte === 0x22) {
      for (;;) {
        if (at >= length) return -1;
        const inside = bytes[at++]!;
        if (inside === 0x22) break;
        if (inside === 0x5c) {
          const escaped = bytes[at++]!;
          // \ud800 to \udfff: only the tokenizer replaces the unpaired ones.
          if (escaped === 0x75 && (bytes[at]! | 0x20) === 0x64) return -1;
        }
      }
    } else if (byte === 0x3a) {
      members++;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > NATIVE_DEPTH) return -1;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth--;
    } else if (byte === 0x2d) {
      if (bytes[at] === 0x30) return -1;
    } else if (byte >= 0x30 && byte <= 0x39) {
      const start = at;
      while (at < length && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
      if (at - start >= 15 || (bytes[at]! | 0x20) === 0x65) return -1;
    }
  }
  return members;
}
