import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JSONValue } from "../meta.ts";
import { encodeJSON, equalJSON, type Parsed, parseJSON, parseJSONText } from "./index.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (text: string): Parsed => parseJSON(bytes(text));
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

describe("values", () => {
  const cases: [string, unknown][] = [
    ["null", null],
    [" true\n", true],
    ['"a"', "a"],
    ["[]", []],
    ["{}", {}],
    ['{"a":{"b":[1,2.5,"x",null,false]}}', { a: { b: [1, 2.5, "x", null, false] } }],
    // Go: an integer literal that fits is an int64, else a float64 (sigs.k8s.io/json, PreserveInts).
    ["9007199254740991", 9007199254740991],
    ["9007199254740992", 9007199254740992n],
    ["9007199254740993", 9007199254740993n],
    ["-9007199254740993", -9007199254740993n],
    ["9223372036854775807", 9223372036854775807n],
    ["-9223372036854775808", -9223372036854775808n],
    ["9223372036854775808", 2 ** 63],
    ["123456789012345678901234567890", 1.2345678901234568e29],
    ["1.0", 1],
    ["1e3", 1000],
    ["1E+3", 1000],
    ["-0", 0],
    ["-0.0", -0],
    ["0.1", 0.1],
    ['"\\u0041\\n\\/"', "A\n/"],
    ['"\\ud83d\\ude00"', "😀"],
    // Unpaired surrogates become U+FFFD (encoding/json, unquote).
    ['"\\ud800"', "\ufffd"],
    ['"\\udc00x"', "\ufffdx"],
    ['"\\ud800\\u0041"', "\ufffdA"],
    ['{"\\ud800":1}', { "\ufffd": 1 }],
    ['"é😀"', "é😀"],
  ];
  it.each(cases)("%s", (text, value) => {
    expect(parse(text)).toEqual({ value, problems: [] });
    expect(Object.is(parse(text).value, value) || typeof value === "object").toBe(true);
  });

  it("replaces each invalid byte by one U+FFFD, unlike the web's decoder", () => {
    expect(parseJSON(Uint8Array.of(0x22, 0xe2, 0x82, 0x22)).value).toBe("\ufffd\ufffd");
    expect(parseJSON(Uint8Array.of(0x22, 0xff, 0x61, 0xc0, 0x80, 0x22)).value).toBe("\ufffda\ufffd\ufffd");
    expect(parseJSON(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)).value).toBe("\ufffd\ufffd\ufffd");
  });
});

describe("duplicate keys", () => {
  const cases: [string, unknown, string[]][] = [
    ['{"a":1,"a":2}', { a: 2 }, ['duplicate field "a"']],
    ['{"spec":{"replicas":1,"replicas":2}}', { spec: { replicas: 2 } }, ['duplicate field "spec.replicas"']],
    ['{"l":[{},{"x":1,"x":1}]}', { l: [{}, { x: 1 }] }, ['duplicate field "l[1].x"']],
    ['{"a":1,"\\u0061":2}', { a: 2 }, ['duplicate field "a"']],
    ['{"a":1,"a":{"b":1,"b":2}}', { a: { b: 2 } }, ['duplicate field "a"', 'duplicate field "a.b"']],
    ['{"a":1,"a":2,"a":3}', { a: 3 }, ['duplicate field "a"']],
    ['{"__proto__":1,"__proto__":2}', JSON.parse('{"__proto__":2}'), ['duplicate field "__proto__"']],
    ['{"a:b":"c:d","x":":"}', { "a:b": "c:d", x: ":" }, []],
  ];
  it.each(cases)("%s", (text, value, problems) => {
    const parsed = parse(text);
    expect(JSON.stringify(parsed.value)).toBe(JSON.stringify(value));
    expect(parsed.problems).toEqual(problems);
  });

  it("reports at most a hundred", () => {
    const members = Array.from({ length: 150 }, (_, index) => `"k${index}":1,"k${index}":2`);
    expect(parse(`{${members.join(",")}}`).problems).toHaveLength(100);
  });
});

describe("errors in Go's words", () => {
  const cases: [string, string][] = [
    ["", "unexpected end of JSON input"],
    ["  ", "unexpected end of JSON input"],
    ["{", "unexpected end of JSON input"],
    ['{"a', "unexpected end of JSON input"],
    ["[1,", "unexpected end of JSON input"],
    ["tru", "invalid character ' ' in literal true (expecting 'e')"],
    ["-", "invalid character ' ' in numeric literal"],
    ["1.", "invalid character ' ' after decimal point in numeric literal"],
    ['"\\', "invalid character ' ' in string escape code"],
    ["x", "invalid character 'x' looking for beginning of value"],
    ["[1,]", "invalid character ']' looking for beginning of value"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ["{a:1}", "invalid character 'a' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
    ["[1 2]", "invalid character '2' after array element"],
    ["{} x", "invalid character 'x' after top-level value"],
    ["truE", "invalid character 'E' in literal true (expecting 'e')"],
    ["nul!", "invalid character '!' in literal null (expecting 'l')"],
    ['"a\nb"', "invalid character '\\n' in string literal"],
    ['"\u0001"', "invalid character '\\x01' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
    ["-x", "invalid character 'x' in numeric literal"],
    ["1.x", "invalid character 'x' after decimal point in numeric literal"],
    ["1ex", "invalid character 'x' in exponent of numeric literal"],
    ["01", "invalid character '1' after top-level value"],
    ["'a'", "invalid character '\\'' looking for beginning of value"],
    ["\\", "invalid character '\\\\' looking for beginning of value"],
    ["NaN", "invalid character 'N' looking for beginning of value"],
    ["\ufeff{}", "invalid character 'ï' looking for beginning of value"],
    ["1e400", "json: cannot unmarshal number 1e400 into Go value of type float64"],
    [nested(10_001), "invalid character '[' exceeded max depth"],
  ];
  it.each(cases)("%j", (text, message) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ name: "JSONSyntaxError", message }));
  });
});

describe("hostile input", () => {
  it("keeps __proto__, constructor and the like as data and touches no prototype", () => {
    const before = Object.getOwnPropertyNames(Object.prototype).join();
    for (const key of ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"]) {
      for (const text of [`{"${key}":{"polluted":1}}`, `{"${key}":{"polluted":12345678901234567890}}`]) {
        const { value } = parse(text);
        expect(Object.keys(value as object)).toEqual([key]);
        expect(new TextDecoder().decode(encodeJSON(value))).toContain(`{"${key}":{"polluted":`);
      }
    }
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(before);
  });

  it("gives objects nothing to inherit", () => {
    const { value } = parse('{"a":{}}');
    expect("toString" in (value as object)).toBe(false);
    expect("__proto__" in (value as { a: object }).a).toBe(false);
  });

  it("reads and writes ten thousand levels, no more", () => {
    for (const text of [nested(10_000), `${'{"a":'.repeat(9_999)}{}${"}".repeat(9_999)}`]) {
      expect(new TextDecoder().decode(encodeJSON(parse(text).value))).toBe(text);
    }
  });
});

const json = fc.letrec<{ value: JSONValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    // Go writes a negative zero as -0 and reads that as the integer 0.
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
    fc.string({ unit: "binary" }),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("__proto__", "1", "a")), tie("value"), {
      maxKeys: 5,
    }),
  ) as fc.Arbitrary<JSONValue>,
})).value;

describe("laws", () => {
  it("parse after encode is the identity", () => {
    fc.assert(
      fc.property(json, (value) => {
        const parsed = parseJSON(encodeJSON(value));
        // A float beyond 2^53 prints as an integer, which reads back as an int64 of the same text.
        expect(new TextDecoder().decode(encodeJSON(parsed.value))).toBe(new TextDecoder().decode(encodeJSON(value)));
        expect(parsed.problems).toEqual([]);
      }),
    );
  });

  it("both readers agree", () => {
    fc.assert(
      fc.property(json, (value) => {
        const encoded = encodeJSON(value);
        const text = new TextDecoder().decode(encoded);
        expect(equalJSON(parseJSON(encoded).value, parseJSONText(text).value)).toBe(true);
      }),
    );
  });

  it("never throws anything but a syntax error, and refuses what the native parser refuses", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 40 }),
        fc.string({ unit: fc.constantFrom(...'{}[]",:01.e-truefalsn\\u d') }),
        (noise, text) => {
          for (const input of [noise, bytes(text)]) {
            let refused = false;
            try {
              parseJSON(input);
            } catch (error) {
              refused = true;
              expect((error as Error).name).toBe("JSONSyntaxError");
            }
            let native = false;
            try {
              JSON.parse(new TextDecoder("utf-8", { ignoreBOM: true }).decode(input));
            } catch {
              native = true;
            }
            expect(refused).toBe(native);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
