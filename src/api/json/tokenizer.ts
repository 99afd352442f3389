/**
 * Reads JSON the way Go reads it: int64 survives, duplicate keys are noticed, errors carry Go's words (encoding/json, sigs.k8s.io/json).
 * Used when the guard of `parse.ts` asks for it, and to explain what a native parse refused. Iterates: depth costs no stack.
 */
import { goQuote } from "../go-quote.ts";
import type { JSONObject, JSONValue } from "../meta.ts";
import { newObject } from "./object.ts";

/** Deeper documents are refused, as in Go. */
export const MAX_DEPTH = 10_000;
/** Strict decoding stops collecting here (spec: apiserver 2.14). */
export const MAX_PROBLEMS = 100;

/** The input is no JSON; `message` is Go's. */
export class JSONSyntaxError extends Error {
  /** UTF-16 units into the decoded text. */
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.name = "JSONSyntaxError";
    this.offset = offset;
  }
}

export interface Parsed {
  readonly value: JSONValue;
  /** `duplicate field "spec.replicas"`, in document order, at most 100. */
  readonly problems: string[];
}

const INSIDE_TOKEN = /^(?:in (?!string literal)|after decimal point)/;
const INT64_MAX = 9223372036854775807n;
const INT64_MIN = -9223372036854775808n;

/** Go prints the offending byte, read as Latin-1. */
function quoteCharacter(text: string, at: number): string {
  const point = text.codePointAt(at)!;
  if (point === 0x27) return "'\\''";
  if (point === 0x22) return "'\"'";
  const byte = point < 0x80 ? point : (new TextEncoder().encode(String.fromCodePoint(point))[0] ?? 0xef);
  if (byte === 0x5c) return "'\\\\'";
  const named: Record<number, string> = { 7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r" };
  if (named[byte] !== undefined) return `'\\${named[byte]}'`;
  if (byte < 0x20 || byte === 0x7f) return `'\\x${byte.toString(16).padStart(2, "0")}'`;
  if (byte >= 0x80 && (byte < 0xa1 || byte === 0xad)) return `'\\u00${byte.toString(16)}'`;
  return `'${String.fromCharCode(byte)}'`;
}

/** Parses `text`, which must be well-formed UTF-16. */
export function parseText(text: string): Parsed {
  return new Tokenizer(text).run();
}

class Tokenizer {
  readonly #text: string;
  #at = 0;
  readonly #containers: (JSONObject | JSONValue[])[] = [];
  readonly #keys: string[] = [];
  readonly #problems: string[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  run(): Parsed {
    for (;;) {
      let value = this.#open();
      if (value === undefined) continue;
      // A value is complete: put it where it belongs, and close every container that ends here.
      for (;;) {
        const depth = this.#containers.length;
        if (depth === 0) {
          this.#space();
          if (this.#at < this.#text.length) this.#refuse("after top-level value");
          return { value, problems: this.#problems };
        }
        const container = this.#containers[depth - 1]!;
        this.#space();
        const code = this.#text.charCodeAt(this.#at);
        if (Array.isArray(container)) {
          container.push(value);
          if (code === 0x2c) {
            this.#at++;
            break;
          }
          if (code !== 0x5d) this.#refuse("after array element");
        } else {
          container[this.#keys[depth - 1]!] = value;
          if (code === 0x2c) {
            this.#at++;
            this.#space();
            this.#key(container);
            break;
          }
          if (code !== 0x7d) this.#refuse("after object key:value pair");
        }
        this.#at++;
        this.#containers.pop();
        this.#keys.pop();
        value = container;
      }
    }
  }

  /** Reads a scalar or an empty container; undefined when a container was opened and its first value must be read. */
  #open(): JSONValue | undefined {
    this.#space();
    const code = this.#text.charCodeAt(this.#at);
    switch (code) {
      case 0x22:
        return this.#string();
      case 0x7b: {
        this.#enter();
        const object = newObject();
        this.#space();
        if (this.#text.charCodeAt(this.#at) === 0x7d) {
          this.#at++;
          return object;
        }
        this.#containers.push(object);
        this.#keys.push("");
        this.#key(object);
        return undefined;
      }
      case 0x5b: {
        this.#enter();
        const list: JSONValue[] = [];
        this.#space();
        if (this.#text.charCodeAt(this.#at) === 0x5d) {
          this.#at++;
          return list;
        }
        this.#containers.push(list);
        this.#keys.push("");
        return undefined;
      }
      case 0x74:
        return this.#literal("true", true);
      case 0x66:
        return this.#literal("false", false);
      case 0x6e:
        return this.#literal("null", null);
      default:
        if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return this.#number();
        return this.#refuse("looking for beginning of value");
    }
  }

  #enter(): void {
    if (this.#containers.length >= MAX_DEPTH) this.#refuse("exceeded max depth");
    this.#at++;
  }

  #key(object: JSONObject): void {
    if (this.#text.charCodeAt(this.#at) !== 0x22) this.#refuse("looking for beginning of object key string");
    const key = this.#string();
    this.#keys[this.#keys.length - 1] = key;
    if (Object.hasOwn(object, key)) this.#duplicate();
    this.#space();
    if (this.#text.charCodeAt(this.#at) !== 0x3a) this.#refuse("after object key");
    this.#at++;
  }

  #duplicate(): void {
    if (this.#problems.length >= MAX_PROBLEMS) return;
    let path = "";
    for (let depth = 0; depth < this.#containers.length; depth++) {
      const container = this.#containers[depth]!;
      if (Array.isArray(container)) path += `[${container.length}]`;
      else path += path === "" ? this.#keys[depth] : `.${this.#keys[depth]}`;
    }
    const problem = `duplicate field ${goQuote(path)}`;
    if (!this.#problems.includes(problem)) this.#problems.push(problem);
  }

  #space(): void {
    const text = this.#text;
    let at = this.#at;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break;
      at++;
    }
    this.#at = at;
  }

  #literal<T>(word: string, value: T): T {
    for (let index = 1; index < word.length; index++) {
      if (this.#text[this.#at + index] !== word[index]) {
        this.#at += index;
        this.#refuse(`in literal ${word} (expecting '${word[index]}')`);
      }
    }
    this.#at += word.length;
    return value;
  }

  #string(): string {
    const text = this.#text;
    const start = ++this.#at;
    let at = start;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === 0x22) {
        this.#at = at + 1;
        return text.slice(start, at);
      }
      if (code === 0x5c) break;
      if (!(code >= 0x20)) {
        this.#at = at;
        this.#refuse("in string literal");
      }
      at++;
    }
    return this.#escaped(start, at);
  }

  #escaped(start: number, firstEscape: number): string {
    const text = this.#text;
    let result = text.slice(start, firstEscape);
    let at = firstEscape;
    let plain = at;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === 0x22) {
        this.#at = at + 1;
        // An unpaired surrogate becomes U+FFFD, as in Go.
        return (result + text.slice(plain, at)).toWellFormed();
      }
      if (code !== 0x5c) {
        if (!(code >= 0x20)) {
          this.#at = at;
          this.#refuse("in string literal");
        }
        at++;
        continue;
      }
      result += text.slice(plain, at);
      const letter = text[at + 1];
      const simple = letter === undefined ? undefined : SIMPLE_ESCAPES.get(letter);
      if (simple !== undefined) {
        result += simple;
        at += 2;
      } else if (letter === "u") {
        let unit = 0;
        for (let index = 2; index < 6; index++) {
          const digit = hexDigit(text.charCodeAt(at + index));
          if (digit < 0) {
            this.#at = at + index;
            this.#refuse("in \\u hexadecimal character escape");
          }
          unit = unit * 16 + digit;
        }
        result += String.fromCharCode(unit);
        at += 6;
      } else {
        this.#at = at + 1;
        this.#refuse("in string escape code");
      }
      plain = at;
    }
  }

  #number(): number | bigint {
    const text = this.#text;
    const start = this.#at;
    if (text.charCodeAt(this.#at) === 0x2d) {
      this.#at++;
      if (!isDigit(text.charCodeAt(this.#at))) this.#refuse("in numeric literal");
    }
    if (text.charCodeAt(this.#at) === 0x30) this.#at++;
    else this.#digits();
    let integral = true;
    if (text.charCodeAt(this.#at) === 0x2e) {
      integral = false;
      this.#at++;
      if (!isDigit(text.charCodeAt(this.#at))) this.#refuse("after decimal point in numeric literal");
      this.#digits();
    }
    const exponent = text.charCodeAt(this.#at);
    if (exponent === 0x65 || exponent === 0x45) {
      integral = false;
      this.#at++;
      const sign = text.charCodeAt(this.#at);
      if (sign === 0x2b || sign === 0x2d) this.#at++;
      if (!isDigit(text.charCodeAt(this.#at))) this.#refuse("in exponent of numeric literal");
      this.#digits();
    }
    return decodeNumber(text.slice(start, this.#at), integral, start);
  }

  #digits(): void {
    while (isDigit(this.#text.charCodeAt(this.#at))) this.#at++;
  }

  #refuse(context: string): never {
    if (this.#at >= this.#text.length) {
      // Go tries whether a space would do at the end; inside a token it would not, and is what gets blamed.
      const inToken = INSIDE_TOKEN.test(context);
      throw new JSONSyntaxError(
        inToken ? `invalid character ' ' ${context}` : "unexpected end of JSON input",
        this.#at,
      );
    }
    throw new JSONSyntaxError(`invalid character ${quoteCharacter(this.#text, this.#at)} ${context}`, this.#at);
  }
}

/** An int64 stays exact (`bigint` beyond 2^53); a larger integer becomes a float, as in sigs.k8s.io/json. */
function decodeNumber(literal: string, integral: boolean, offset: number): number | bigint {
  const value = Number(literal);
  if (integral) {
    if (Number.isSafeInteger(value)) return value === 0 ? 0 : value;
    if (literal.length <= 20) {
      const exact = BigInt(literal);
      if (exact <= INT64_MAX && exact >= INT64_MIN) return exact;
    }
  }
  if (!Number.isFinite(value)) {
    throw new JSONSyntaxError(`json: cannot unmarshal number ${literal} into Go value of type float64`, offset);
  }
  return value;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  return -1;
}

const SIMPLE_ESCAPES = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);
