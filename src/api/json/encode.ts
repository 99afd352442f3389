/** A value to JSON, byte for byte as Go's encoder writes it (HTML escaping on, as kube-apiserver does). */
import { encodeUTF8 } from "./utf8.ts";

/** What JSON.stringify would not leave alone, or Go would escape: control characters, quote, backslash, < > &, U+2028, U+2029, surrogates. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be escaped
const NEEDS_CARE = /[\u0000-\u001f"\\<>&\u2028\u2029\ud800-\udfff]/;
const HTML = /[<>&\u2028\u2029]/g;
const HTML_ESCAPES: Record<string, string> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};
/** Deeper values are written by the iterating encoder. */
export const RECURSION = 200;

/** 1 for the ASCII characters that stand for themselves. */
const PLAIN = new Uint8Array(128).fill(1, 0x20, 0x7f + 1);
for (const special of '"\\<>&') PLAIN[special.charCodeAt(0)] = 0;

/** For short strings a loop is quicker than the pattern. */
function isPlain(text: string): boolean {
  if (text.length > 40) return !NEEDS_CARE.test(text);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 128 || PLAIN[unit] === 0) return unit >= 128 && !NEEDS_CARE.test(text);
  }
  return true;
}

/** A string with its quotes. An unpaired surrogate becomes U+FFFD. */
export function quoteJSON(text: string): string {
  if (isPlain(text)) return `"${text}"`;
  return JSON.stringify(text.toWellFormed()).replace(HTML, (character) => HTML_ESCAPES[character]!);
}

/** Keys repeat from object to object: `"name":` is made once. Only short ASCII keys, and a bounded number of them, since clients choose keys too. */
const prefixes = new Map<string, string>();
const MAX_PREFIXES = 8_192;
const ASCII = /^[ -~]{0,64}$/;

/** A key with its colon; undefined for one that is not short and ASCII. */
function cachedPrefix(key: string): string | undefined {
  const known = prefixes.get(key);
  if (known !== undefined) return known;
  if (!ASCII.test(key) || prefixes.size >= MAX_PREFIXES) return undefined;
  const prefix = `${quoteJSON(key)}:`;
  prefixes.set(key, prefix);
  return prefix;
}

export function memberPrefix(key: string): string {
  return cachedPrefix(key) ?? `${quoteJSON(key)}:`;
}

/** Numbers as Go prints a float64 or an int64. Throws for NaN and infinities, as Go does. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`json: unsupported value: ${value}`);
  return value === 0 && 1 / value < 0 ? "-0" : `${value}`;
}

/** Keys in their own order; members that are undefined are left out. */
export function stringifyJSON(value: unknown): string {
  return write(value, 0);
}

export function encodeJSON(value: unknown): Uint8Array {
  return encodeUTF8(write(value, 0));
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return quoteJSON(value);
    case "number":
      return formatNumber(value);
    case "boolean":
      return value ? "true" : "false";
    case "bigint":
      return `${value}`;
    case "object": {
      if (value === null) return "null";
      if (depth > RECURSION) return writeDeep(value, Object.keys);
      if (Array.isArray(value)) {
        if (value.length === 0) return "[]";
        let text = `[${write(value[0], depth + 1)}`;
        for (let index = 1; index < value.length; index++) text += `,${write(value[index], depth + 1)}`;
        return `${text}]`;
      }
      let text = "";
      for (const key of Object.keys(value)) {
        const member = (value as Record<string, unknown>)[key];
        if (member === undefined) continue;
        text += `${(text === "" ? "{" : ",") + memberPrefix(key)}${write(member, depth + 1)}`;
      }
      return text === "" ? "{}" : `${text}}`;
    }
    default:
      return "null";
  }
}

interface Level {
  readonly value: unknown[] | Record<string, unknown>;
  readonly keys: readonly string[] | undefined;
  next: number;
  empty: boolean;
}

/** The same with an explicit stack; `keysOf` decides on order. */
export function writeDeep(root: object, keysOf: (object: object) => readonly string[]): string {
  const parts: string[] = [];
  const levels: Level[] = [];
  const enter = (value: object) => {
    const list = Array.isArray(value);
    parts.push(list ? "[" : "{");
    levels.push({ value: value as Level["value"], keys: list ? undefined : keysOf(value), next: 0, empty: true });
  };
  enter(root);
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const { keys } = level;
    if (level.next >= (keys ?? (level.value as unknown[])).length) {
      parts.push(keys === undefined ? "]" : "}");
      levels.pop();
      continue;
    }
    const index = level.next++;
    const member =
      keys === undefined ? (level.value as unknown[])[index] : (level.value as Record<string, unknown>)[keys[index]!];
    if (member === undefined && keys !== undefined) continue;
    if (!level.empty) parts.push(",");
    level.empty = false;
    if (keys !== undefined) parts.push(quoteJSON(keys[index]!), ":");
    if (typeof member === "object" && member !== null) enter(member);
    else parts.push(write(member, 0));
  }
  return parts.join("");
}
