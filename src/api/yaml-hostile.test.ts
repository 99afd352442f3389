/** YAML nobody should write: a value or a YAMLSyntaxError, never anything else. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { parseYAML, YAMLSyntaxError } from "./yaml.ts";

it.each([
  ["a: !!binary aGVsbG8=", { a: "hello" }],
  ["!!binary aGk=: x", { hi: "x" }],
  ["a: !!binary '!!!'", "yaml: !!binary value contains invalid base64 data"],
  [Buffer.from("a: \xff", "latin1"), "yaml: invalid leading UTF-8 octet"],
  ["a: !!omap b", 'yaml: unsupported tag "!!omap"'],
  ["? [a]\n: b", "yaml: a map key must be a scalar"],
  ["*a : b", "yaml: unknown anchor 'a' referenced"],
])("%j", (text, expected) => {
  const read = () => parseYAML(Buffer.from(text as string)).value;
  if (typeof expected === "string") expect(read).toThrow(new YAMLSyntaxError(expected));
  else expect(read()).toEqual(expected);
});

it("pieces of syntax in any order", () => {
  const piece = fc.constantFrom(
    ...[
      "a",
      "b: ",
      ": ",
      "- ",
      "? ",
      "\n",
      "\n  ",
      "[",
      "]",
      "{",
      "}",
      ",",
      "&a ",
      "*a ",
      "!!binary ",
      "!!int ",
      "!!set ",
    ],
    ...[
      "! ",
      "!<x> ",
      "<<: ",
      "'",
      '"',
      "\\",
      "#",
      "%",
      "---\n",
      "...\n",
      ">-\n",
      "|\n ",
      "1",
      ".inf",
      "\t",
      "\r",
      "~",
    ],
    ...["\u0000", "\ud800", "\u2028", "%TAG ! b\n", "__proto__: "],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      try {
        parseYAML(Buffer.from(pieces.join("")));
      } catch (error) {
        expect(error).toBeInstanceOf(YAMLSyntaxError);
      }
    }),
    { numRuns: 3_000 },
  );
});
