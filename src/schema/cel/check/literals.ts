/** Literals that can never be right where they stand: durations, timestamps and patterns. */
import { compilePattern } from "../run/regex.ts";
import type { Call, Expr } from "../syntax/ast.ts";
import type { Errors } from "../syntax/source.ts";
import { CelError } from "../values/errors.ts";
import { parseDuration, parseTimestamp, Timestamp } from "../values/time.ts";

const CHECKS: Record<string, (text: string) => boolean> = {
  duration: (text) => parseDuration(text) !== undefined,
  timestamp: (text) => parseTimestamp(text) instanceof Timestamp,
  matches: (text) => !(compilePattern(text) instanceof CelError),
};

/** Reports them. The tree is well typed. */
export function checkLiterals(expr: Expr, errors: Errors): void {
  switch (expr.kind) {
    case "literal":
    case "ident":
      return;
    case "select":
      checkLiterals(expr.operand, errors);
      return;
    case "call":
      checkCall(expr, errors);
      if (expr.target !== undefined) checkLiterals(expr.target, errors);
      for (const arg of expr.args) checkLiterals(arg, errors);
      return;
    case "list":
      for (const element of expr.elements) checkLiterals(element, errors);
      return;
    case "map":
      for (const { key, value } of expr.entries) {
        checkLiterals(key, errors);
        checkLiterals(value, errors);
      }
      return;
    case "struct":
      for (const { value } of expr.fields) checkLiterals(value, errors);
      return;
    case "comprehension":
      for (const part of [expr.range, expr.init, expr.condition, expr.step, expr.result]) checkLiterals(part, errors);
  }
}

function checkCall(call: Call, errors: Errors): void {
  const fine = Object.hasOwn(CHECKS, call.name) ? CHECKS[call.name] : undefined;
  const arg = call.args.at(-1);
  if (fine === undefined || arg?.kind !== "literal" || typeof arg.value !== "string") return;
  if (!fine(arg.value)) errors.report(arg.at, `invalid ${call.name} argument`);
}
