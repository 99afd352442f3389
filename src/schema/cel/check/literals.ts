/** Kubernetes' rules for literals: durations, timestamps and patterns are right, elements of lists and maps are of one type. */
import { compilePattern } from "../run/regex.ts";
import type { Call, Expr, List, MapLiteral } from "../syntax/ast.ts";
import type { Errors, Offset } from "../syntax/source.ts";
import { CelError } from "../values/errors.ts";
import type { Int } from "../values/numbers.ts";
import { parseDuration, parseTimestamp, Timestamp, timestampOf } from "../values/time.ts";
import type { Value } from "../values/value.ts";
import { checkFormat } from "./format.ts";
import { type CelType, isOptional, sameType } from "./types.ts";

const CHECKS: Record<string, (value: Value) => boolean> = {
  duration: (value) => typeof value === "string" && parseDuration(value) !== undefined,
  timestamp: (value) =>
    (typeof value === "string" ? parseTimestamp(value) : timestampOf(value as Int, 0)) instanceof Timestamp,
  matches: (value) => typeof value !== "string" || !(compilePattern(value) instanceof CelError),
};

/** Reports them. The tree is well typed. `mixed`: lists and maps may be of any types, being arguments of `format`. */
export function checkLiterals(expr: Expr, errors: Errors, mixed = false): void {
  switch (expr.kind) {
    case "literal":
    case "ident":
      return;
    case "select":
      checkLiterals(expr.operand, errors, mixed);
      return;
    case "call":
      checkCall(expr, errors);
      checkFormat(expr, errors);
      mixed ||= expr.name === "format";
      if (expr.target !== undefined) checkLiterals(expr.target, errors, mixed);
      for (const arg of expr.args) checkLiterals(arg, errors, mixed);
      return;
    case "list":
      for (const element of expr.elements) checkLiterals(element, errors, mixed);
      if (!mixed) checkElements(expr, errors);
      return;
    case "map":
      for (const { key, value } of expr.entries) {
        checkLiterals(key, errors, mixed);
        checkLiterals(value, errors, mixed);
      }
      if (!mixed) checkEntries(expr, errors);
      return;
    case "struct":
      for (const { value } of expr.fields) checkLiterals(value, errors, mixed);
      return;
    case "comprehension":
      for (const part of [expr.range, expr.init, expr.condition, expr.step, expr.result])
        checkLiterals(part, errors, mixed);
  }
}

function checkCall(call: Call, errors: Errors): void {
  const fine = Object.hasOwn(CHECKS, call.name) ? CHECKS[call.name] : undefined;
  const arg = call.args.at(-1);
  if (fine === undefined || arg?.kind !== "literal") return;
  if (!fine(arg.value)) errors.report(arg.at, `invalid ${call.name} argument`);
}

/** The type an element counts as: one that may be absent as what it holds. */
function elementType(expr: Expr, optional: boolean): CelType {
  return optional && isOptional(expr.type!) ? expr.type!.params[0]! : expr.type!;
}

function mismatch(at: Offset, expected: CelType, found: CelType, errors: Errors): void {
  errors.report(at, `expected type '${expected}' but found '${found}'`);
}

/** The first element that is of another type than the first. */
function checkElements(list: List, errors: Errors): void {
  const types = list.elements.map((element, i) => elementType(element, list.optional?.[i] === true));
  const odd = types.findIndex((type) => !sameType(type, types[0]!));
  if (odd !== -1) mismatch(list.elements[odd]!.at, types[0]!, types[odd]!, errors);
}

function checkEntries({ entries }: MapLiteral, errors: Errors): void {
  const first = entries[0];
  if (first === undefined) return;
  const keys = first.key.type!;
  const values = elementType(first.value, first.optional);
  for (const { key, value, optional } of entries) {
    const type = elementType(value, optional);
    if (!sameType(keys, key.type!)) mismatch(key.at, keys, key.type!, errors);
    if (!sameType(values, type)) mismatch(value.at, values, type, errors);
  }
}
