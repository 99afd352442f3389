/** Protobuf's wire format: a writer that fills its buffer from the end, as Go's generated code does, and a reader that trusts no length. */
import { decodeUTF8 } from "../json/index.ts";
import { DecodeError } from "./fault.ts";
import type { Type } from "./table.ts";

const encoder = new TextEncoder();
const START_BYTES = 16 * 1024;
/** A larger buffer is given back after use. */
const KEEP_BYTES = 1024 * 1024;
const SHORT_STRING = 128;
const TWO_32 = 0x1_0000_0000;

let spare: Uint8Array | undefined = new Uint8Array(START_BYTES);

/**
 * Writing backwards makes every length known when it is needed: contents first, then their length, then the tag. Fields are therefore written
 * from the highest number to the lowest, lists from the last element to the first. Call `finish` once; the buffer is shared by all writers in turn.
 */
export class Writer {
  #buffer: Uint8Array;
  #at: number;

  constructor() {
    this.#buffer = spare ?? new Uint8Array(START_BYTES);
    spare = undefined;
    this.#at = this.#buffer.length;
  }

  /** Bytes written so far; the difference of two of these is a length. */
  get size(): number {
    return this.#buffer.length - this.#at;
  }

  finish(): Uint8Array {
    const out = this.#buffer.slice(this.#at);
    if (this.#buffer.length <= KEEP_BYTES) spare = this.#buffer;
    return out;
  }

  #reserve(bytes: number): void {
    if (this.#at >= bytes) return;
    const old = this.#buffer;
    const written = old.length - this.#at;
    const larger = new Uint8Array(Math.max(old.length * 2, written + bytes));
    larger.set(old.subarray(this.#at), larger.length - written);
    this.#at = larger.length - written;
    this.#buffer = larger;
  }

  byte(value: number): void {
    if (this.#at === 0) this.#reserve(1);
    this.#buffer[--this.#at] = value;
  }

  /** A length or a tag: below 2^32. */
  varint(value: number): void {
    if (value < 0x80) {
      if (this.#at === 0) this.#reserve(1);
      this.#buffer[--this.#at] = value;
      return;
    }
    this.#reserve(5);
    const width = value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    let at = this.#at - width;
    this.#at = at;
    let rest = value;
    for (let index = 1; index < width; index++) {
      this.#buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[at] = rest;
  }

  /** A signed integer as protobuf's int32 and int64 have it: negative ones take ten bytes. */
  integer(value: number | bigint): void {
    if (typeof value === "number" && value >= 0 && value < TWO_32) {
      this.varint(value);
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    const bytes: number[] = [];
    while (rest >= 0x80n) {
      bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.raw(bytes);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#at -= 8;
    new DataView(this.#buffer.buffer, this.#buffer.byteOffset + this.#at, 8).setFloat64(0, value, true);
  }

  raw(bytes: ArrayLike<number>): void {
    this.#reserve(bytes.length);
    this.#at -= bytes.length;
    this.#buffer.set(bytes, this.#at);
  }

  /** A string with its length in front. */
  string(text: string): void {
    const length = text.length;
    if (length <= SHORT_STRING) {
      if (this.#at < length) this.#reserve(length);
      const buffer = this.#buffer;
      let at = this.#at;
      let index = length - 1;
      for (; index >= 0; index--) {
        const unit = text.charCodeAt(index);
        if (unit >= 0x80) break;
        buffer[--at] = unit;
      }
      if (index < 0) {
        this.#at = at;
        this.varint(length);
        return;
      }
    }
    this.#reserve(length * 3);
    const { written } = encoder.encodeInto(text, this.#buffer.subarray(0, length * 3));
    this.#at -= written;
    this.#buffer.copyWithin(this.#at, 0, written);
    this.varint(written);
  }

  /** Room for `length` bytes that `fill` writes forwards. */
  block(length: number, fill: (out: Uint8Array, at: number) => void): void {
    this.#reserve(length);
    this.#at -= length;
    fill(this.#buffer, this.#at);
  }
}

const OVERFLOW = "proto: integer overflow";
const END = "unexpected EOF";
const CACHED_STRING = 40;
/** A power of two. */
const CACHE_SLOTS = 2048;
/** Names, keys and constants come again and again: recognising one costs a fifth of building it anew. Bounded by slots times length. */
const cache: string[] = new Array<string>(CACHE_SLOTS).fill("");

function shortString(bytes: Uint8Array, start: number, end: number): string {
  let hash = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) return decodeUTF8(bytes.subarray(start, end));
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const slot = (hash ^ (hash >>> 11)) & (CACHE_SLOTS - 1);
  const held = cache[slot]!;
  if (held.length === end - start) {
    let at = 0;
    while (at < held.length && held.charCodeAt(at) === bytes[start + at]) at++;
    if (at === held.length) return held;
  }
  const text = decodeUTF8(bytes.subarray(start, end));
  cache[slot] = text;
  return text;
}

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
const GROUP_START = 3;
const GROUP_END = 4;
const FIXED32 = 5;

/** The wire type a value of this type has. */
export function wireTypeOf(type: Type): number {
  switch (type.kind) {
    case "bool":
    case "int32":
    case "int64":
      return VARINT;
    case "double":
      return FIXED64;
    default:
      return BYTES;
  }
}

/** A window on bytes from outside. Every read checks the window; errors are DecodeErrors with the words of Go's generated code. */
export class Reader {
  readonly bytes: Uint8Array;
  at: number;
  end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** The low 32 bits of a varint, unsigned; at most ten bytes. */
  uint32(): number {
    const { bytes, end } = this;
    let { at } = this;
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      if (shift >= 64) throw new DecodeError(OVERFLOW);
      if (at >= end) throw new DecodeError(END);
      const byte = bytes[at++]!;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    this.at = at;
    return value >>> 0;
  }

  int32(): number {
    return this.uint32() | 0;
  }

  /** A number where it is safe, else a bigint. */
  int64(): number | bigint {
    const { bytes, end } = this;
    let { at } = this;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 7; count++) {
      if (at >= end) throw new DecodeError(END);
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.at = at;
        return value;
      }
      scale *= 128;
    }
    let long = BigInt(value);
    for (let shift = 49n; ; shift += 7n) {
      if (shift >= 70n) throw new DecodeError(OVERFLOW);
      if (at >= end) throw new DecodeError(END);
      const byte = bytes[at++]!;
      long |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    this.at = at;
    const signed = BigInt.asIntN(64, long);
    const number = Number(signed);
    return Number.isSafeInteger(number) ? number : signed;
  }

  bool(): boolean {
    return this.int64() !== 0;
  }

  double(): number {
    if (this.at + 8 > this.end) throw new DecodeError(END);
    const value = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.at, 8).getFloat64(0, true);
    this.at += 8;
    return value;
  }

  /** Reads a length and returns where that many bytes end. They lie within the window. */
  span(): number {
    const length = this.int64();
    if (typeof length === "bigint" || length < 0) {
      throw new DecodeError(length < 0 ? "proto: negative length found during unmarshaling" : END);
    }
    if (length > this.end - this.at) throw new DecodeError(END);
    return this.at + length;
  }

  string(): string {
    const end = this.span();
    const start = this.at;
    this.at = end;
    return end - start <= CACHED_STRING
      ? shortString(this.bytes, start, end)
      : decodeUTF8(this.bytes.subarray(start, end));
  }

  /** A view on the bytes, not a copy. */
  view(): Uint8Array {
    const end = this.span();
    const view = this.bytes.subarray(this.at, end);
    this.at = end;
    return view;
  }

  /** Skips the value of an unknown field. */
  skip(wireType: number): void {
    let depth = 0;
    let type = wireType;
    for (;;) {
      switch (type) {
        case VARINT:
          this.uint32();
          break;
        case FIXED64:
          this.#advance(8);
          break;
        case BYTES:
          this.at = this.span();
          break;
        case GROUP_START:
          depth++;
          break;
        case GROUP_END:
          if (depth === 0) throw new DecodeError("proto: unexpected end of group");
          depth--;
          break;
        case FIXED32:
          this.#advance(4);
          break;
        default:
          throw new DecodeError(`proto: illegal wireType ${type}`);
      }
      if (depth === 0) return;
      type = this.uint32() & 7;
    }
  }

  #advance(bytes: number): void {
    if (this.end - this.at < bytes) throw new DecodeError(END);
    this.at += bytes;
  }
}
