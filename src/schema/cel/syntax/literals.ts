/** What literals mean: numbers, strings with their escapes, bytes. */
import { Double, INT_MAX, INT_MIN, integer, UINT_MAX, Uint } from "../values/numbers.ts";

/** Undefined: beyond 64 bits. `text` may be `0x…` and may carry a sign. */
export function parseInt64(sign: string, text: string): number | bigint | undefined {
  const value = BigInt(text);
  const signed = sign === "-" ? -value : value;
  return signed < INT_MIN || signed > INT_MAX ? undefined : integer(signed);
}

/** `text` without its `u`. */
export function parseUint64(text: string): Uint | undefined {
  const value = BigInt(text);
  return value > UINT_MAX ? undefined : new Uint(integer(value));
}

/** Undefined: too large for a double. */
export function parseDouble(text: string): Double | undefined {
  const value = Number(text);
  return Number.isFinite(value) ? new Double(value) : undefined;
}

const SIMPLE: Record<string, number> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  "\\": 92,
  "'": 39,
  '"': 34,
  "`": 96,
  "?": 63,
};

/** The characters between the quotes, and whether escapes count. Line ends become `\n` first. */
function body(text: string): { inner: string; raw: boolean } {
  let value = text.includes("\r") ? text.replaceAll("\r\n", "\n").replaceAll("\r", "\n") : text;
  const raw = value[0] === "r" || value[0] === "R";
  if (raw) value = value.slice(1);
  const quotes = value.length >= 6 && (value.startsWith("'''") || value.startsWith('"""')) ? 3 : 1;
  return { inner: value.slice(quotes, -quotes), raw };
}

/** The string a literal as written stands for, or why it stands for none. */
export function unescapeString(text: string): { value: string } | { error: string } {
  const { inner, raw } = body(text);
  if (raw || !inner.includes("\\")) return { value: inner };
  let out = "";
  for (let i = 0; i < inner.length; ) {
    if (inner[i] !== "\\") {
      const next = inner.indexOf("\\", i);
      const end = next === -1 ? inner.length : next;
      out += inner.slice(i, end);
      i = end;
      continue;
    }
    const { code, length } = escapeAt(inner, i + 1);
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return { error: "invalid unicode code point" };
    out += String.fromCodePoint(code);
    i += 1 + length;
  }
  return { value: out };
}

/** The bytes a literal as written, without its `b`, stands for. */
export function unescapeBytes(text: string): { value: Uint8Array } | { error: string } {
  const { inner, raw } = body(text);
  const encoder = new TextEncoder();
  if (raw || !inner.includes("\\")) return { value: encoder.encode(inner) };
  const out: number[] = [];
  for (let i = 0; i < inner.length; ) {
    if (inner[i] !== "\\") {
      const next = inner.indexOf("\\", i);
      const end = next === -1 ? inner.length : next;
      for (const byte of encoder.encode(inner.slice(i, end))) out.push(byte);
      i = end;
      continue;
    }
    if (inner[i + 1] === "u" || inner[i + 1] === "U") return { error: "unable to unescape string" };
    const { code, length } = escapeAt(inner, i + 1);
    out.push(code & 0xff);
    i += 1 + length;
  }
  return { value: Uint8Array.from(out) };
}

/** The lexer has seen that the escape is one of the known. */
function escapeAt(text: string, at: number): { code: number; length: number } {
  const c = text[at]!;
  const simple = SIMPLE[c];
  if (simple !== undefined) return { code: simple, length: 1 };
  const hex = c === "x" || c === "X" ? 2 : c === "u" ? 4 : c === "U" ? 8 : 0;
  if (hex > 0) return { code: Number.parseInt(text.slice(at + 1, at + 1 + hex), 16), length: 1 + hex };
  return { code: Number.parseInt(text.slice(at, at + 3), 8), length: 3 };
}
