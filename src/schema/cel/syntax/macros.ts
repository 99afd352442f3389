/** Macros: calls that the parser replaces by loops and tests (`has`, `all`, `map`, `optMap` …). */
import { ACCUMULATOR, type Comprehension, call, type Expr, ident, list, literal, memberCall, OPERATOR } from "./ast.ts";
import type { Offset } from "./source.ts";

/** The macro fits, its arguments do not. */
export class MacroError extends Error {
  readonly at: Offset;
  constructor(at: Offset, message: string) {
    super(message);
    this.at = at;
  }
}

export interface Use {
  /** The opening bracket of the call: where all it makes is said to be. */
  readonly at: Offset;
  readonly target: Expr | undefined;
  readonly args: Expr[];
  readonly accumulator: string;
  copy(expr: Expr): Expr;
}

/** Undefined: it is an ordinary call after all. */
export type Macro = (use: Use) => Expr | undefined;

/** Macros by name, number of arguments (`*`: any) and whether there is a target. */
export class Macros {
  readonly #macros: ReadonlyMap<string, Macro>;
  constructor(...groups: Record<string, Macro>[]) {
    this.#macros = new Map(groups.flatMap((group) => Object.entries(group)));
  }

  find(name: string, args: number, member: boolean): Macro | undefined {
    const style = member ? "member" : "global";
    return this.#macros.get(`${name}:${args}:${style}`) ?? this.#macros.get(`${name}:*:${style}`);
  }
}

const OLD_ACCUMULATOR = "__result__";

const accu = (at: Offset): Expr => ident(at, ACCUMULATOR);

/** The name of a loop variable. */
function variable(expr: Expr, message: string): string {
  if (expr.kind !== "ident") throw new MacroError(expr.at, message);
  if (expr.name === ACCUMULATOR || expr.name === OLD_ACCUMULATOR)
    throw new MacroError(expr.at, "iteration variable overwrites accumulator variable");
  return expr.name;
}

/** The two names of a loop over index and element, or key and value. */
function pair(args: Expr[]): [string, string] {
  const message = "argument must be a simple name";
  const [first, second] = [args[0]!, args[1]!];
  if (first.kind !== "ident") throw new MacroError(first.at, message);
  if (second.kind !== "ident") throw new MacroError(second.at, message);
  if (first.name === second.name) throw new MacroError(second.at, `duplicate variable name: ${first.name}`);
  return [variable(first, message), variable(second, message)];
}

interface Loop {
  init: Expr;
  condition: Expr;
  step: Expr;
  result: Expr;
}

function loop(use: Use, names: [string, string | undefined], parts: Loop): Comprehension {
  return {
    kind: "comprehension",
    at: use.at,
    range: use.target!,
    variable: names[0],
    variable2: names[1],
    accumulator: ACCUMULATOR,
    ...parts,
  };
}

const all = (at: Offset, predicate: Expr): Loop => ({
  init: literal(at, true),
  condition: call(at, OPERATOR.notStrictlyFalse, accu(at)),
  step: call(at, OPERATOR.and, accu(at), predicate),
  result: accu(at),
});

const exists = (at: Offset, predicate: Expr): Loop => ({
  init: literal(at, false),
  condition: call(at, OPERATOR.notStrictlyFalse, call(at, OPERATOR.not, accu(at))),
  step: call(at, OPERATOR.or, accu(at), predicate),
  result: accu(at),
});

const existsOne = (at: Offset, predicate: Expr): Loop => ({
  init: literal(at, 0),
  condition: literal(at, true),
  step: call(at, OPERATOR.conditional, predicate, call(at, OPERATOR.add, accu(at), literal(at, 1)), accu(at)),
  result: call(at, OPERATOR.equals, accu(at), literal(at, 1)),
});

/** Gathers what `step` makes of each element that passes `filter`. */
const gather = (at: Offset, init: Expr, step: Expr, filter: Expr | undefined): Loop => ({
  init,
  condition: literal(at, true),
  step: filter === undefined ? step : call(at, OPERATOR.conditional, filter, step, accu(at)),
  result: accu(at),
});

const append = (at: Offset, element: Expr): Expr => call(at, OPERATOR.add, accu(at), list(at, element));
const emptyMap = (at: Offset): Expr => ({ kind: "map", at, entries: [] });

/** A test over one variable. */
const quantifier =
  (parts: (at: Offset, predicate: Expr) => Loop): Macro =>
  (use) =>
    loop(use, [variable(use.args[0]!, "argument must be a simple name"), undefined], parts(use.at, use.args[1]!));

/** A test over two variables. */
const quantifier2 =
  (parts: (at: Offset, predicate: Expr) => Loop): Macro =>
  (use) =>
    loop(use, pair(use.args), parts(use.at, use.args[2]!));

const map: Macro = ({ args, ...use }) => {
  const name = variable(args[0]!, "argument is not an identifier");
  const [transform, filter] = args.length === 3 ? [args[2]!, args[1]] : [args[1]!, undefined];
  return loop({ ...use, args }, [name, undefined], gather(use.at, list(use.at), append(use.at, transform), filter));
};

const filter: Macro = (use) => {
  const name = variable(use.args[0]!, "argument is not an identifier");
  const parts = gather(use.at, list(use.at), append(use.at, use.args[0]!), use.args[1]);
  return loop(use, [name, undefined], parts);
};

const has: Macro = ({ at, args }) => {
  const select = args[0]!;
  if (select.kind !== "select" || select.test) throw new MacroError(select.at, "invalid argument to has() macro");
  return { kind: "select", at, operand: select.operand, field: select.field, test: true };
};

export const STANDARD: Record<string, Macro> = {
  "has:1:global": has,
  "all:2:member": quantifier(all),
  "exists:2:member": quantifier(exists),
  "exists_one:2:member": quantifier(existsOne),
  "map:2:member": map,
  "map:3:member": map,
  "filter:2:member": filter,
};

/** The newer spelling, which Kubernetes has for two variables only. */
export const EXISTS_ONE: Record<string, Macro> = { "existsOne:2:member": quantifier(existsOne) };

/** `filter?, transform` behind the two names. */
const split = (args: Expr[]): [Expr | undefined, Expr] =>
  args.length === 4 ? [args[2], args[3]!] : [undefined, args[2]!];

const transformList: Macro = (use) => {
  const [test, transform] = split(use.args);
  return loop(use, pair(use.args), gather(use.at, list(use.at), append(use.at, transform), test));
};

const transformMap: Macro = (use) => {
  const names = pair(use.args);
  const [test, transform] = split(use.args);
  const step = call(use.at, "cel.@mapInsert", accu(use.at), ident(use.at, names[0]), transform);
  return loop(use, names, gather(use.at, emptyMap(use.at), step, test));
};

const transformMapEntry: Macro = (use) => {
  const [test, transform] = split(use.args);
  const step = call(use.at, "cel.@mapInsert", accu(use.at), transform);
  return loop(use, pair(use.args), gather(use.at, emptyMap(use.at), step, test));
};

export const TWO_VARIABLES: Record<string, Macro> = {
  "all:3:member": quantifier2(all),
  "exists:3:member": quantifier2(exists),
  "existsOne:3:member": quantifier2(existsOne),
  "exists_one:3:member": quantifier2(existsOne),
  "transformList:3:member": transformList,
  "transformList:4:member": transformList,
  "transformMap:3:member": transformMap,
  "transformMap:4:member": transformMap,
  "transformMapEntry:3:member": transformMapEntry,
  "transformMapEntry:4:member": transformMapEntry,
};

/** `body` with `name` bound to `value`: a loop over nothing. */
function bind(at: Offset, name: string, value: Expr, body: Expr): Comprehension {
  return {
    kind: "comprehension",
    at,
    range: list(at),
    variable: "#unused",
    variable2: undefined,
    accumulator: name,
    init: value,
    condition: literal(at, false),
    step: ident(at, name),
    result: body,
  };
}

const optional =
  (name: string, wrap: boolean): Macro =>
  ({ at, target, args, copy }) => {
    const variable = args[0]!;
    if (variable.kind !== "ident")
      throw new MacroError(variable.at, `${name}() variable name must be a simple identifier`);
    const bound = bind(at, variable.name, memberCall(at, "value", copy(target!)), args[1]!);
    return call(
      at,
      OPERATOR.conditional,
      memberCall(at, "hasValue", target!),
      wrap ? call(at, "optional.of", bound) : bound,
      call(at, "optional.none"),
    );
  };

export const OPTIONALS: Record<string, Macro> = {
  "optMap:2:member": optional("optMap", true),
  "optFlatMap:2:member": optional("optFlatMap", false),
};

export const BINDINGS: Record<string, Macro> = {
  "bind:3:member": ({ at, target, args }) => {
    if (target?.kind !== "ident" || target.name !== "cel") return undefined;
    const variable = args[0]!;
    if (variable.kind !== "ident")
      throw new MacroError(variable.at, "cel.bind() variable names must be simple identifiers");
    return bind(at, variable.name, args[1]!, args[2]!);
  },
};

/** `[…].sortBy(x, key)`: sorts by the keys it makes first. */
export const SORT_BY: Record<string, Macro> = {
  "sortBy:2:member": (use) => {
    const { at, target, args } = use;
    if (
      target!.kind !== "list" &&
      target!.kind !== "call" &&
      target!.kind !== "select" &&
      target!.kind !== "ident" &&
      target!.kind !== "comprehension"
    )
      throw new MacroError(
        target!.at,
        "sortBy can only be applied to a list, identifier, comprehension, call or select expression",
      );
    const name = "@__sortBy_input__";
    const keys = map({ ...use, target: ident(at, name), args })!;
    return bind(at, name, target!, memberCall(at, "@sortByAssociatedKeys", ident(at, name), keys));
  },
};
