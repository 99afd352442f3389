/** The syntax tree of an expression. The checker writes types and overloads into it, the planner reads them. */
import type { Overload } from "../check/declarations.ts";
import type { CelType } from "../check/types.ts";
import type { Value } from "../values/value.ts";
import type { Offset } from "./source.ts";

interface Node {
  /** The sign a reader would point at: the operator, the dot, the opening bracket, else the first character. */
  at: Offset;
  type?: CelType;
}

export interface Literal extends Node {
  kind: "literal";
  value: Value;
}

export interface Ident extends Node {
  kind: "ident";
  name: string;
}

export interface Select extends Node {
  kind: "select";
  operand: Expr;
  field: string;
  /** `has(operand.field)` */
  test: boolean;
  /** The whole chain names a variable or type with dots in its name. */
  qualified?: string;
}

export interface Call extends Node {
  kind: "call";
  name: string;
  target: Expr | undefined;
  args: Expr[];
  /** What the checker found to fit, never empty after a check. */
  overloads?: Overload[];
}

export interface List extends Node {
  kind: "list";
  elements: Expr[];
  /** Which elements are written `?e`. */
  optional: boolean[] | undefined;
}

export interface Entry {
  at: Offset;
  key: Expr;
  value: Expr;
  optional: boolean;
}

export interface MapLiteral extends Node {
  kind: "map";
  entries: Entry[];
}

export interface Field {
  at: Offset;
  name: string;
  value: Expr;
  optional: boolean;
}

export interface Struct extends Node {
  kind: "struct";
  name: string;
  fields: Field[];
}

/** A loop over a list or the keys of a map; what macros expand to. */
export interface Comprehension extends Node {
  kind: "comprehension";
  range: Expr;
  variable: string;
  variable2: string | undefined;
  accumulator: string;
  init: Expr;
  condition: Expr;
  step: Expr;
  result: Expr;
}

export type Expr = Literal | Ident | Select | Call | List | MapLiteral | Struct | Comprehension;

/** The names operators are declared under. */
export const OPERATOR = {
  conditional: "_?_:_",
  and: "_&&_",
  or: "_||_",
  not: "!_",
  equals: "_==_",
  notEquals: "_!=_",
  less: "_<_",
  lessEquals: "_<=_",
  greater: "_>_",
  greaterEquals: "_>=_",
  in: "@in",
  add: "_+_",
  subtract: "_-_",
  multiply: "_*_",
  divide: "_/_",
  modulo: "_%_",
  negate: "-_",
  index: "_[_]",
  optIndex: "_[?_]",
  optSelect: "_?._",
  notStrictlyFalse: "@not_strictly_false",
} as const;

/** The variable results of macros are gathered in; no identifier can be spelled like it. */
export const ACCUMULATOR = "@result";

export const literal = (at: Offset, value: Value): Literal => ({ kind: "literal", at, value });
export const ident = (at: Offset, name: string): Ident => ({ kind: "ident", at, name });
export const call = (at: Offset, name: string, ...args: Expr[]): Call => ({
  kind: "call",
  at,
  name,
  target: undefined,
  args,
});
export const memberCall = (at: Offset, name: string, target: Expr, ...args: Expr[]): Call => ({
  kind: "call",
  at,
  name,
  target,
  args,
});
export const list = (at: Offset, ...elements: Expr[]): List => ({ kind: "list", at, elements, optional: undefined });

/** `a.b.c` when the expression is a chain of plain names. */
export function qualifiedName(expr: Expr): string | undefined {
  if (expr.kind === "ident") return expr.name;
  if (expr.kind !== "select" || expr.test) return undefined;
  const operand = qualifiedName(expr.operand);
  return operand === undefined ? undefined : `${operand}.${expr.field}`;
}

/** A copy that shares nothing, so that the checker can write into both. */
export function copy(expr: Expr): Expr {
  switch (expr.kind) {
    case "literal":
    case "ident":
      return { ...expr };
    case "select":
      return { ...expr, operand: copy(expr.operand) };
    case "call":
      return { ...expr, target: expr.target && copy(expr.target), args: expr.args.map(copy) };
    case "list":
      return { ...expr, elements: expr.elements.map(copy) };
    case "map":
      return { ...expr, entries: expr.entries.map((e) => ({ ...e, key: copy(e.key), value: copy(e.value) })) };
    case "struct":
      return { ...expr, fields: expr.fields.map((f) => ({ ...f, value: copy(f.value) })) };
    case "comprehension":
      return {
        ...expr,
        range: copy(expr.range),
        init: copy(expr.init),
        condition: copy(expr.condition),
        step: copy(expr.step),
        result: copy(expr.result),
      };
  }
}

/** How many nodes a tree has. */
export function sizeOf(expr: Expr): number {
  switch (expr.kind) {
    case "literal":
    case "ident":
      return 1;
    case "select":
      return 1 + sizeOf(expr.operand);
    case "call":
      return 1 + (expr.target ? sizeOf(expr.target) : 0) + sum(expr.args);
    case "list":
      return 1 + sum(expr.elements);
    case "map":
      return 1 + sum(expr.entries.flatMap((entry) => [entry.key, entry.value]));
    case "struct":
      return 1 + sum(expr.fields.map((field) => field.value));
    case "comprehension":
      return 1 + sum([expr.range, expr.init, expr.condition, expr.step, expr.result]);
  }
}

function sum(exprs: Expr[]): number {
  let total = 0;
  for (const expr of exprs) total += sizeOf(expr);
  return total;
}
