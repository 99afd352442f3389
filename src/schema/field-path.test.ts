import { describe, expect, test } from "vitest";
import type { DefinitionSchema } from "./definition-schema.ts";
import { findField } from "./field-path.ts";

const text: DefinitionSchema = { type: "string" };
const schema: DefinitionSchema = {
  type: "object",
  properties: {
    a: text,
    o: { type: "object", properties: { x: text, "y.z": text, "it's": text } },
    m: { type: "object", additionalProperties: text },
    any: { type: "object", additionalProperties: true },
    l: { type: "array", items: text },
  },
};

describe("paths that lead somewhere", () => {
  test.each([
    [".a", "a", "a", text],
    [".o['x']", "o.x", "o", text],
    ["['o'].x", "o.x", "o", text],
    [".o['y.z']", "o.y.z", "o", text],
    [".o['it\\'s']", "o.it's", "o", text],
    [".m.key", "m[key]", "m", text],
    [".m['a.b']", "m[a.b]", "m", text],
    [".any.thing", "any[thing]", "any", undefined],
    ["", "", "", schema],
  ])("%s", (path, printed, root, found) => {
    expect(findField(path, schema)).toEqual({ path: printed, root, schema: found });
  });
});

describe("paths that do not", () => {
  test.each([
    ["a", "expected [ or . but got: a"],
    [".b", "does not refer to a valid field"],
    [".a.b", "does not refer to a valid field"],
    [".l[0]", "expected single quoted string but got 0"],
    [".o['x", "expected single quoted string but got 'x"],
    [".o['x'", "unexpected end of JSON path"],
    [".o['x'.", "expected ] but got ."],
    [".o[", "unexpected end of JSON path"],
    [".", "unexpected end of JSON path"],
    [".m['\\q']", "invalid string literal: invalid escape char \\q"],
    [".any.thing.more", "does not refer to a valid field"],
    [".constructor", "does not refer to a valid field"],
  ])("%s", (path, reason) => {
    expect(findField(path, schema)).toBe(reason);
  });

  test("brackets, where they are not allowed", () => {
    expect(findField(".o['x']", schema, false)).toBe("array notation is not allowed");
  });
});
