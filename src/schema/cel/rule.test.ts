/** Rules as schemas and the CRD kind use them. */
import { describe, expect, it } from "vitest";
import type { Schema } from "../types.ts";
import { INT, STRING } from "./check/types.ts";
import {
  compile,
  compileMessageExpression,
  compileRule,
  createEnvironment,
  declareSchema,
  JSON_PATCH_FUNCTIONS,
  type Program,
  RUNTIME_COST_BUDGET,
} from "./index.ts";

const SCHEMA: Schema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        min: { type: "integer" },
        max: { type: "integer" },
        names: { type: "array", items: { type: "string" } },
      },
    },
  },
};
const declaration = declareSchema(SCHEMA, true)!;

function rule(expression: string, optionalOldSelf = false): Program<boolean> {
  const compiled = compileRule({ expression, declaration, optionalOldSelf });
  if ("error" in compiled) throw new Error(compiled.error);
  return compiled.program;
}

const budget = () => ({ remaining: RUNTIME_COST_BUDGET });

describe("compileRule", () => {
  it.each([
    [
      "self.spec.mid > 0",
      "compilation failed: ERROR: <input>:1:10: undefined field 'mid'\n | self.spec.mid > 0\n | .........^",
    ],
    ["self.spec.min", "cel expression must evaluate to a bool"],
    [
      "self.spec.names[0].matches('(')",
      "compilation failed: ERROR: <input>:1:28: invalid matches argument\n | self.spec.names[0].matches('(')\n | ...........................^",
    ],
    ["int('x') > 0", "program instantiation failed: type conversion error from 'string' to 'int'"],
    [
      "oldself.x",
      "compilation failed: ERROR: <input>:1:1: undeclared reference to 'oldself' (in container '')\n | oldself.x\n | ^",
    ],
  ])("%s", (expression, error) => {
    expect(compileRule({ expression, declaration })).toEqual({ error });
  });

  it("knows which rules are about transitions", () => {
    expect(rule("self.spec.min >= oldSelf.spec.min").usesOldSelf).toBe(true);
    expect(rule("self.spec.min >= 0").usesOldSelf).toBe(false);
  });

  it("has oldSelf as an optional value when asked to", () => {
    const program = rule("oldSelf.optMap(o, o.spec.min <= self.spec.min).orValue(true)", true);
    expect(program.evaluate({ spec: { min: 1 } }, undefined, budget())).toBe(true);
    expect(program.evaluate({ spec: { min: 1 } }, { spec: { min: 2 } }, budget())).toBe(false);
  });

  it("answers what is not there with the error the object deserves", () => {
    const program = rule("self.spec.min <= self.spec.max");
    expect(program.evaluate({ spec: { min: 1, max: 2 } }, undefined, budget())).toBe(true);
    expect(program.evaluate({ spec: { min: 1 } }, undefined, budget())).toEqual({ error: "no such key: max" });
    expect(program.evaluate(null, undefined, budget())).toEqual({
      error: "invalid data, got null for schema with nullable=false",
    });
    expect(program.evaluate({ spec: "x" }, undefined, budget())).toEqual({
      error: "invalid data, expected a map for the provided schema with type=object",
    });
  });

  it("takes its cost off the budget, and stops a rule that runs away", () => {
    const left = budget();
    rule("self.spec.min > 0").evaluate({ spec: { min: 1 } }, undefined, left);
    expect(RUNTIME_COST_BUDGET - left.remaining).toBe(4);
    const names = Array.from({ length: 2000 }, (_, i) => `name-${i}`);
    const wild = rule("self.spec.names.all(a, self.spec.names.all(b, a != b + 'x'))");
    expect(wild.evaluate({ spec: { names } }, undefined, left)).toEqual({
      error: "operation cancelled: actual cost limit exceeded",
    });
    expect(RUNTIME_COST_BUDGET - left.remaining).toBeGreaterThan(1_000_000);
  });

  it("sees nothing of properties that are inherited", () => {
    const text: Schema = { type: "string" };
    const odd = declareSchema({ type: "object", properties: { constructor: text, toString: text } }, false)!;
    const compiled = compileRule({ expression: "has(self.constructor) || has(self.toString)", declaration: odd });
    if ("error" in compiled) throw new Error(compiled.error);
    expect(compiled.program.evaluate({}, undefined, budget())).toBe(false);
    expect(compiled.program.evaluate({ constructor: "x" }, undefined, budget())).toBe(true);
  });
});

describe("declareSchema", () => {
  it.each<[string, Schema, boolean]>([
    ["no type", {}, false],
    ["a list of who knows what", { type: "array" }, false],
    ["a list of what is preserved", { type: "array", items: { "x-kubernetes-preserve-unknown-fields": true } }, false],
    ["an object without properties", { type: "object", "x-kubernetes-preserve-unknown-fields": true }, true],
    ["a string", { type: "string" }, true],
    ["a number or a string", { "x-kubernetes-int-or-string": true }, true],
  ])("%s", (_, schema, exposed) => {
    expect(declareSchema(schema, false) !== undefined).toBe(exposed);
  });
});

describe("compileMessageExpression", () => {
  it("makes a text of the object", () => {
    const compiled = compileMessageExpression({ expression: "'at most ' + string(self.spec.max)", declaration });
    if ("error" in compiled) throw new Error(compiled.error);
    expect(compiled.program.evaluate({ spec: { max: 5 } }, undefined, budget())).toBe("at most 5");
  });

  it("must be a text", () => {
    expect(compileMessageExpression({ expression: "self.spec.max", declaration })).toEqual({
      error: "messageExpression must evaluate to a string",
    });
  });
});

describe("createEnvironment", () => {
  it("has the variables of a place", () => {
    const env = createEnvironment({
      variables: new Map([
        ["a", INT],
        ["name", STRING],
      ]),
    });
    const compiled = compile("name + string(a + 1)", env);
    if (!("expression" in compiled)) throw new Error("does not compile");
    expect(compiled.expression.evaluate([41, "x"], 1000)).toEqual({ value: "x42", cost: 5 });
    expect(compiled.expression.uses("a")).toBe(true);
  });

  it("has functions that rules do not have", () => {
    const text = "jsonpatch.escapeKey('a/b~c')";
    const compiled = compile(text, createEnvironment({ variables: new Map(), functions: JSON_PATCH_FUNCTIONS }));
    if (!("expression" in compiled)) throw new Error("does not compile");
    expect(compiled.expression.evaluate([], 1000)).toEqual({ value: "a~1b~0c", cost: 1 });
    expect(compile(text, createEnvironment({ variables: new Map() }))).toHaveProperty("syntax");
  });
});
