import fc from "fast-check";
import { expect, test } from "vitest";
import { base64Length, toBase64, writeBase64 } from "./base64.ts";
import { DecodeError } from "./fault.ts";
import { Reader, Writer } from "./wire.ts";

test("base64 is that of everybody else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = toBase64(bytes);
      expect(text).toBe(Buffer.from(bytes).toString("base64"));
      const out = new Uint8Array(bytes.length + 1).fill(7);
      expect(base64Length(text)).toBe(bytes.length);
      expect(writeBase64(text, out, 0)).toBe(bytes.length);
      expect(out.subarray(0, bytes.length)).toEqual(bytes);
      expect(out[bytes.length]).toBe(7);
    }),
  );
});

test("integers come back, the large ones as bigint", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      const out = new Writer();
      out.integer(value);
      const read = new Reader(out.finish()).int64();
      expect(BigInt(read)).toBe(value);
      expect(typeof read).toBe(Number.isSafeInteger(Number(value)) ? "number" : "bigint");
    }),
  );
  fc.assert(
    fc.property(fc.nat(2 ** 32 - 1), (value) => {
      const out = new Writer();
      out.varint(value);
      expect(new Reader(out.finish()).uint32()).toBe(value);
    }),
  );
});

test("strings of every length and script come back", () => {
  const any = fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.string({ unit: "grapheme", maxLength: 300 }));
  fc.assert(
    fc.property(fc.array(any, { maxLength: 5 }), (texts) => {
      const out = new Writer();
      for (const text of texts) out.string(text);
      const reader = new Reader(out.finish());
      expect(texts.toReversed().map(() => reader.string())).toEqual(texts.toReversed());
    }),
  );
});

test("a buffer that grows keeps what is in it", () => {
  const out = new Writer();
  const long = "x".repeat(50_000);
  out.string("first");
  out.string(long);
  out.string("last");
  const reader = new Reader(out.finish());
  expect([reader.string(), reader.string().length, reader.string()]).toEqual(["last", 50_000, "first"]);
});

test("doubles come back", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      const out = new Writer();
      out.double(value);
      expect(new Reader(out.finish()).double()).toBe(value);
    }),
  );
});

test("nothing is read beyond the window", () => {
  const bytes = new Uint8Array([5, 0x61, 0x62, 0x63, 0x64, 0x65]);
  const reader = new Reader(bytes, 0, 3);
  expect(() => reader.string()).toThrow(DecodeError);
  expect(() => new Reader(bytes, 0, 0).uint32()).toThrow("unexpected EOF");
  expect(() => new Reader(bytes).double()).toThrow("unexpected EOF");
});
