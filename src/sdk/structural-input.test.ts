import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Schema } from "../schema/types.ts";
import { schemaOf } from "./schema-input.ts";
import { type Printed, structural } from "./structural-input.ts";

const field = (type: z.ZodType): Schema => schemaOf(z.object({ it: type }), "spec").properties!["it"]!;

describe("a schema as Kubernetes takes it", () => {
  it.each<[string, z.ZodType, Schema]>([
    ["a whole number", z.int(), { type: "integer" }],
    ["a 32-bit number", z.int32(), { type: "integer", minimum: -2147483648, maximum: 2147483647 }],
    ["bounds left out", z.number().gt(0), { type: "number", minimum: 0, exclusiveMinimum: true }],
    ["a choice", z.enum(["a", "b"]), { type: "string", enum: ["a", "b"] }],
    ["one value", z.literal("a"), { type: "string", enum: ["a"] }],
    ["values of a union", z.union([z.literal("a"), z.literal("b")]), { type: "string", enum: ["a", "b"] }],
    ["a number or a text", z.union([z.string(), z.int()]), { "x-kubernetes-int-or-string": true }],
    ["a map", z.record(z.string(), z.boolean()), { type: "object", additionalProperties: { type: "boolean" } }],
    [
      "a tuple of one type",
      z.tuple([z.string()]),
      { type: "array", items: { type: "string" }, minItems: 1, maxItems: 1 },
    ],
    ["anything", z.any(), { "x-kubernetes-preserve-unknown-fields": true }],
    ["null as well", z.string().nullable(), { type: "string", nullable: true }],
    ["read-only, which says nothing here", z.string().readonly(), { type: "string" }],
    [
      "a strict object",
      z.strictObject({ a: z.string() }),
      { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
    ],
    [
      "a loose object",
      z.looseObject({ a: z.string().optional() }),
      { type: "object", properties: { a: { type: "string" } }, "x-kubernetes-preserve-unknown-fields": true },
    ],
    [
      "both of two objects",
      z.intersection(z.object({ a: z.string() }), z.object({ b: z.string() })),
      { type: "object", properties: { a: { type: "string" }, b: { type: "string" } }, required: ["a", "b"] },
    ],
    [
      "one of two objects",
      z.discriminatedUnion("by", [
        z.object({ by: z.literal("a"), x: z.string() }),
        z.object({ by: z.literal("b"), x: z.string(), y: z.boolean().optional() }),
      ]),
      {
        type: "object",
        properties: { by: { type: "string", enum: ["a", "b"] }, x: { type: "string" }, y: { type: "boolean" } },
        oneOf: [
          { properties: { by: { enum: ["a"] } }, required: ["by", "x"] },
          { properties: { by: { enum: ["b"] } }, required: ["by", "x"] },
        ],
      },
    ],
    [
      "texts of two forms",
      z.union([z.string().max(3), z.string().min(9)]),
      { type: "string", anyOf: [{ maxLength: 3 }, { minLength: 9 }] },
    ],
    [
      "words of Kubernetes given with meta",
      z
        .array(z.string())
        .meta({ "x-kubernetes-list-type": "set", description: "d", examples: [["a"]], deprecated: true }),
      {
        type: "array",
        items: { type: "string" },
        "x-kubernetes-list-type": "set",
        description: "d",
        example: ["a"],
      },
    ],
  ])("%s", (_, type, schema) => {
    expect(field(type)).toEqual(schema);
  });

  it("a pattern that looks around goes when a format says the same, and is refused otherwise", () => {
    const printed: Printed = { type: "string", pattern: "^(?!x)", format: "email" };
    expect(structural(printed, "spec")).toEqual({ type: "string", format: "email" });
    expect(() => field(z.string().regex(/^(?!x)/))).toThrow('spec.it: pattern "^(?!x)" is no RE2');
    expect(() => field(z.string().regex(/^(a)\1$/))).toThrow("no back-references");
  });

  type Tree = { readonly leaves: Tree[] };
  const tree: z.ZodType<Tree> = z.lazy(() => z.object({ leaves: z.array(tree) }));
  it.each<[string, z.ZodType, string]>([
    ["text or a list", z.union([z.string(), z.array(z.string())]), "spec.it: string or array: a field has one type"],
    ["text or a fraction", z.union([z.string(), z.number()]), "spec.it: string or number: a field has one type"],
    ["recursion", tree, "spec.it: a schema that contains itself has no structural form"],
    [
      "members at odds",
      z.union([z.object({ a: z.string() }), z.object({ a: z.number() })]),
      "spec.it.a: the members of a union describe it differently",
    ],
    ["deep down", z.object({ a: z.array(z.union([z.string(), z.boolean()])) }), "spec.it.a[*]: string or boolean"],
  ])("%s has no structural form, and the error names the field", (_, type, message) => {
    expect(() => field(type)).toThrow(message);
  });
});
