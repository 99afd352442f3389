/** Validation rules of custom resources: `x-kubernetes-validations` compiled against the schema node they are written on (spec: apiserver 8.6). */
import type { JSONValue } from "../../api/meta.ts";
import type { Schema } from "../types.ts";
import { BOOL, type CelType, optionalOf, STRING } from "./check/types.ts";
import { compile } from "./compile.ts";
import { type Declaration, declare } from "./declaration/declare.ts";
import { createEnvironment } from "./library/kubernetes.ts";
import { CelError, NO_SUCH_OVERLOAD } from "./values/errors.ts";
import { NONE, Optional } from "./values/value.ts";

export type { Declaration } from "./declaration/declare.ts";

/** Cost one evaluation may use before it is cancelled. */
export const PER_CALL_LIMIT = 1_000_000;
/** Cost all rules of one object may use together. */
export const RUNTIME_COST_BUDGET = 10_000_000;
/** The longest message an expression may make, in UTF-8 bytes. */
export const MAX_MESSAGE_BYTES = 5 * 1024;

export interface RuleInput {
  /** The rule, or the message expression. */
  readonly expression: string;
  /** The node it is written on. */
  readonly declaration: Declaration;
  /** `oldSelf` is an optional value and the rule runs on create too. */
  readonly optionalOldSelf?: boolean;
}

/** Cost that is left, shared by all rules of an object; below zero when it ran out. */
export interface Budget {
  remaining: number;
}

/** An evaluation that ended in an error. */
export interface RuleFailure {
  /** As upstream says it: `no such key: x`, `no such overload`, `operation cancelled: actual cost limit exceeded`. */
  readonly error: string;
}

export interface Program<T extends boolean | string> {
  /** Mentions `oldSelf`: a transition rule unless `optionalOldSelf`. */
  readonly usesOldSelf: boolean;
  /**
   * `self` and `oldSelf` are values of the schema node as JSON (undefined: there is no old value). Takes its cost off the budget.
   * Never throws for any value.
   */
  evaluate(self: JSONValue, oldSelf: JSONValue | undefined, budget: Budget): T | RuleFailure;
}

/** `error`: the whole detail of the field error, `compilation failed: ERROR: <input>:1:5: …` included. */
export type Compiled<T extends boolean | string> = { readonly program: Program<T> } | { readonly error: string };

/** `resource`: the node is the root of a Kubernetes object. Undefined: the node is not exposed to expressions at all. */
export function declareSchema(schema: Schema, resource: boolean): Declaration | undefined {
  return declare(schema, resource);
}

export function compileRule(input: RuleInput): Compiled<boolean> {
  return compileFor(input, BOOL, "", "cel expression must evaluate to a bool");
}

export function compileMessageExpression(input: RuleInput): Compiled<string> {
  return compileFor(input, STRING, "messageExpression ", "messageExpression must evaluate to a string");
}

const SELF = "self";
const OLD_SELF = "oldSelf";
const NO_OLD_SELF = new CelError("no such attribute(s): oldSelf");

function compileFor<T extends boolean | string>(
  { expression, declaration, optionalOldSelf = false }: RuleInput,
  wanted: CelType,
  what: string,
  wrongType: string,
): Compiled<T> {
  const { type, read } = declaration;
  const environment = createEnvironment({
    variables: new Map([
      [SELF, type],
      [OLD_SELF, optionalOldSelf ? optionalOf(type) : type],
    ]),
  });
  const compiled = compile(expression, environment);
  if ("syntax" in compiled) return { error: `${what}compilation failed: ${compiled.syntax}` };
  if ("instantiation" in compiled) {
    return { error: `${what === "" ? "program " : what}instantiation failed: ${compiled.instantiation}` };
  }
  const program = compiled.expression;
  if (program.type !== wanted) return { error: wrongType };
  const expected = wanted === BOOL ? "boolean" : "string";
  const absent = optionalOldSelf ? NONE : NO_OLD_SELF;
  return {
    program: {
      usesOldSelf: program.uses(OLD_SELF),
      evaluate(self, oldSelf, budget) {
        const old = oldSelf === undefined ? absent : read(oldSelf);
        const previous = optionalOldSelf && oldSelf !== undefined ? new Optional(old) : old;
        const { value, cost } = program.evaluate([read(self), previous], PER_CALL_LIMIT);
        budget.remaining -= cost;
        if (value instanceof CelError) return { error: value.message };
        // The checker said what type it is; a null where the schema allows one is the way around it.
        return typeof value === expected ? (value as T) : { error: NO_SUCH_OVERLOAD.message };
      },
    },
  };
}
