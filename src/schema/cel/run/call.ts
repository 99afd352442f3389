/** Calls of functions: the implementation is chosen by the checker where it could, by the values where it could not. */
import type { Overload } from "../check/declarations.ts";
import type { Call } from "../syntax/ast.ts";
import { CelError, NO_SUCH_OVERLOAD, noSuchFunction } from "../values/errors.ts";
import { isOfType, typeOfValue, type Value } from "../values/value.ts";
import { type Cost, costOf } from "./cost.ts";
import type { Eval } from "./frame.ts";
import { constant, isConstant, type Plan, PlanError } from "./plan.ts";
import { compilePattern } from "./regex.ts";

/** Conversions of constants are done once, when the expression is compiled. */
const CONVERSIONS = new Set([
  "bool",
  "bytes",
  "double",
  "duration",
  "dyn",
  "int",
  "string",
  "timestamp",
  "type",
  "uint",
]);
/** Calls whose cost depends on what they give. */
const COST_AFTER = new Set(["join", "slice"]);
/** Functions that do not say which they are when they are given what they do not take. */
const UNNAMED = new Set(["startsWith", "endsWith", "contains", "matches"]);
const PATTERNS = new Set(["matches", "find", "findAll"]);

/** Throws a `PlanError` for constants the function can never take. */
export function invoke(call: Call, args: Plan[]): Plan {
  const overloads = call.overloads!;
  const only = overloads.length === 1 ? overloads[0]! : undefined;
  const cost = costOf(call.name, only?.id);
  const fixed = PATTERNS.has(call.name) && isConstant(args[1]!) && typeof args[1].constant === "string";
  if (fixed) {
    const pattern = compilePattern(args[1]!.constant as string);
    if (pattern instanceof CelError) throw new PlanError(pattern.message);
  }
  const after = cost !== undefined && COST_AFTER.has(call.name);
  const run = dispatch(call.name, overloads);
  if (args.length === 1 && CONVERSIONS.has(call.name) && isConstant(args[0]!)) {
    const value = args[0].constant instanceof CelError ? args[0].constant : run([args[0].constant]);
    if (value instanceof CelError) throw new PlanError(value.message);
    return constant(value);
  }
  const evals = args.map((arg) => arg.run);
  if (fixed) return { run: nary(run, evals, cost, after) };
  switch (evals.length) {
    case 1:
      return { run: unary(only, run, evals[0]!, cost, after) };
    case 2:
      return { run: binary(only, run, evals[0]!, evals[1]!, cost, after) };
    default:
      return { run: nary(run, evals, cost, after) };
  }
}

type Run = (args: Value[]) => Value;

/** Tries the overloads in their order. */
function dispatch(name: string, overloads: readonly Overload[]): Run {
  return (args) => {
    for (const overload of overloads) {
      if (args.every((arg, i) => isOfType(arg, overload.args[i]!))) return overload.run(...args);
    }
    if (UNNAMED.has(name)) return NO_SUCH_OVERLOAD;
    if (name === "size") return noSuchFunction(name);
    return new CelError(`no such overload: ${name}(${args.map((arg) => typeOfValue(arg).name).join(", ")})`);
  };
}

/** What costs by the size of its arguments is charged before it is done, so that it is not done in vain. */
function unary(only: Overload | undefined, run: Run, operand: Eval, cost: Cost | undefined, after: boolean): Eval {
  return (frame) => {
    const value = operand(frame);
    if (value instanceof CelError) {
      frame.cost += cost === undefined ? 1 : cost([value], value);
      return value;
    }
    if (!after) frame.charge(cost === undefined ? 1 : cost([value], null));
    const result = only !== undefined && isOfType(value, only.args[0]!) ? only.run(value) : run([value]);
    if (after) frame.charge(cost!([value], result));
    return result;
  };
}

function binary(
  only: Overload | undefined,
  run: Run,
  left: Eval,
  right: Eval,
  cost: Cost | undefined,
  after: boolean,
): Eval {
  return (frame) => {
    const a = left(frame);
    const b = right(frame);
    if (a instanceof CelError || b instanceof CelError) {
      const failed = a instanceof CelError ? a : b;
      frame.cost += cost === undefined ? 1 : cost([a, b], failed);
      return failed;
    }
    if (!after) frame.charge(cost === undefined ? 1 : cost([a, b], null));
    const result =
      only !== undefined && isOfType(a, only.args[0]!) && isOfType(b, only.args[1]!) ? only.run(a, b) : run([a, b]);
    if (after) frame.charge(cost!([a, b], result));
    return result;
  };
}

/** Ends with the first argument that is an error: it costs nothing then, and the others are not looked at. */
function nary(run: Run, operands: Eval[], cost: Cost | undefined, after: boolean): Eval {
  return (frame) => {
    const args: Value[] = [];
    for (const operand of operands) {
      const value = operand(frame);
      if (value instanceof CelError) return value;
      args.push(value);
    }
    if (!after) frame.charge(cost === undefined ? 1 : cost(args, null));
    const result = run(args);
    if (after) frame.charge(cost!(args, result));
    return result;
  };
}
