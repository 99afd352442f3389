/** From text to a program: parse, check, plan. */
import { check } from "./check/checker.ts";
import type { Environment } from "./check/environment.ts";
import { checkLiterals } from "./check/literals.ts";
import type { CelType } from "./check/types.ts";
import { CostExceeded, Frame } from "./run/frame.ts";
import { PlanError, Planner, Slots } from "./run/plan.ts";
import type { Expr } from "./syntax/ast.ts";
import { parse } from "./syntax/parser.ts";
import { CelError } from "./values/errors.ts";
import type { Value } from "./values/value.ts";

export interface Expression {
  readonly type: CelType;
  /** Whether the expression mentions a variable, or a loop variable of that name. */
  uses(variable: string): boolean;
  /** `values` are those of the environment's variables, in its order. Never throws; `limit` is the cost after which it is cancelled. */
  evaluate(values: readonly Value[], limit: number): { value: Value; cost: number };
}

/** `syntax`: the errors as one block of text. `instantiation`: it is well typed, but a constant in it can never be evaluated. */
export type CompileError = { readonly syntax: string } | { readonly instantiation: string };

export function compile(text: string, env: Environment): { expression: Expression } | CompileError {
  const parsed = parse(text, env.macros, env.escapedNames);
  if ("errors" in parsed) return { syntax: parsed.errors.render(text) };
  const { expr } = parsed;
  const errors = check(expr, env);
  if (!errors.any && env.checkLiterals) checkLiterals(expr, errors);
  if (errors.any) return { syntax: errors.render(text) };
  try {
    return { expression: plan(expr, env) };
  } catch (error) {
    if (error instanceof PlanError) return { instantiation: error.message };
    throw error;
  }
}

function plan(expr: Expr, env: Environment): Expression {
  const slots = new Slots();
  for (const name of env.variables.keys()) slots.declare(name);
  const planner = new Planner(slots);
  const { run } = planner.plan(expr);
  return {
    type: expr.type!,
    uses: (variable) => planner.mentioned.has(variable),
    evaluate(values, limit) {
      const frame = new Frame(slots.count, limit);
      for (let i = 0; i < values.length; i++) frame.slots[i] = values[i]!;
      try {
        const value = run(frame);
        frame.charge(0);
        return { value, cost: frame.cost };
      } catch (error) {
        if (error instanceof CostExceeded) return { value: new CelError(error.message), cost: frame.cost };
        if (error instanceof RangeError) return { value: new CelError("value is too large"), cost: frame.cost };
        throw error;
      }
    },
  };
}
