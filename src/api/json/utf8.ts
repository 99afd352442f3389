/** UTF-8 as Go treats it: lengths and order in bytes, one replacement character for each invalid byte. */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Decodes; every byte that is not part of a valid sequence becomes one U+FFFD (the web's decoder would merge some). */
export function decodeUTF8(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return decodeLossy(bytes);
  }
}

/** Decodes; undefined when anything is invalid. */
export function decodeStrictUTF8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

function decodeLossy(bytes: Uint8Array): string {
  let text = "";
  let start = 0;
  let at = 0;
  while (at < bytes.length) {
    const width = sequenceWidth(bytes, at);
    if (width > 0) {
      at += width;
      continue;
    }
    if (at > start) text += strict.decode(bytes.subarray(start, at));
    text += "\ufffd";
    start = ++at;
  }
  return text + strict.decode(bytes.subarray(start));
}

/** The length of the valid sequence at `at`, or 0 (Unicode 15, table 3-7). */
function sequenceWidth(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const second = bytes[at + 1] ?? 0;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  const width = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (let offset = 2; offset < width; offset++) {
    const byte = bytes[at + offset] ?? 0;
    if (byte < 0x80 || byte > 0xbf) return 0;
  }
  return width;
}

export function encodeUTF8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The number of bytes of `text` in UTF-8; no allocation. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    else if (unit >= 0xd800 && unit <= 0xdbff && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00) {
      length += 2;
      index++;
    } else length += 2;
  }
  return length;
}

/** Orders strings by their UTF-8 bytes, as Go does; UTF-16 order differs above U+FFFF. */
export function compareUTF8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    let left = a.charCodeAt(index);
    let right = b.charCodeAt(index);
    if (left === right) continue;
    // Surrogates stand for code points above all others: move them behind U+E000 to U+FFFF.
    if (left >= 0xd800 && right >= 0xd800) {
      left = left >= 0xe000 ? left - 0x800 : left + 0x2000;
      right = right >= 0xe000 ? right - 0x800 : right + 0x2000;
    }
    return left < right ? -1 : 1;
  }
  return a.length - b.length;
}

/** Sorts in place by UTF-8 bytes. Objects have few keys, often sorted already: insertion beats the built-in sort there. */
export function sortKeys(keys: string[]): string[] {
  if (keys.length > 32) return keys.sort(compareUTF8);
  for (let index = 1; index < keys.length; index++) {
    const key = keys[index]!;
    let at = index;
    while (at > 0 && compareUTF8(keys[at - 1]!, key) > 0) {
      keys[at] = keys[at - 1]!;
      at--;
    }
    keys[at] = key;
  }
  return keys;
}
