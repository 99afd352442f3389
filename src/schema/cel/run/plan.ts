/**
 * From a checked tree to closures. What is known beforehand is decided beforehand: constants, slots of variables, the overload of a
 * call, what a step costs. Costs are upstream's: a variable is one unit, a field one more, a call one or what its arguments' sizes say.
 */

import type { Overload } from "../check/declarations.ts";
import type { CelType } from "../check/types.ts";
import { ObjectView, type Property, type Shape } from "../declaration/view.ts";
import { type Call, type Entry, type Expr, OPERATOR, type Select } from "../syntax/ast.ts";
import { equal } from "../values/compare.ts";
import { CelError, NO_SUCH_OVERLOAD, noSuchKey } from "../values/errors.ts";
import { ListValue } from "../values/list.ts";
import { keyOf, LiteralMap } from "../values/map.ts";
import { Double } from "../values/numbers.ts";
import { goTypeName, Optional, TypeValue, typeOfValue, type Value } from "../values/value.ts";
import { access, accessOptional, has } from "./access.ts";
import { invoke } from "./call.ts";
import { compareCost, joinCost, LIST_COST, MAP_COST, STRUCT_COST, sizeOf, traversesOperands } from "./cost.ts";
import type { Eval, Frame } from "./frame.ts";
import { planLoop } from "./loop.ts";
import * as operators from "./operators.ts";

/** A node's closure, and its value when that is known already. */
export interface Plan {
  readonly run: Eval;
  readonly constant?: Value;
}

/** The expression can never be evaluated: a constant in it is wrong. */
export class PlanError extends Error {}

/** Where variables are, by scope. */
export class Slots {
  readonly #names = new Map<string, number[]>();
  count = 0;

  declare(name: string): number {
    const slot = this.count++;
    const slots = this.#names.get(name);
    if (slots === undefined) this.#names.set(name, [slot]);
    else slots.push(slot);
    return slot;
  }

  /** The innermost variable of the name goes out of scope. */
  forget(name: string): void {
    this.#names.get(name)!.pop();
  }

  find(name: string): number | undefined {
    return this.#names.get(name)?.at(-1);
  }
}

export const constant = (value: Value): Plan => ({ run: () => value, constant: value });
export const isConstant = (plan: Plan): plan is Plan & { constant: Value } => plan.constant !== undefined;

export class Planner {
  readonly slots: Slots;
  /** Accumulators that are bound on first use: what `cel.bind` and `optMap` make. */
  readonly lazy = new Map<number, Eval>();
  /** Names of variables that were looked at. */
  readonly mentioned = new Set<string>();

  constructor(slots: Slots) {
    this.slots = slots;
  }

  /** `free`: the variable at the root of a chain of fields costs nothing here (branches of `?:`, operands of `has`). */
  plan(expr: Expr, free = false): Plan {
    switch (expr.kind) {
      case "literal":
        return constant(expr.value);
      case "ident":
        return this.#variable(expr.name, expr.type!, free);
      case "select":
        return this.#select(expr, free);
      case "call":
        return this.#call(expr, free);
      case "list":
        return this.#list(expr.elements, expr.optional);
      case "map":
        return this.#map(expr.entries, MAP_COST);
      case "struct":
        return this.#map(
          expr.fields.map(({ at, name, value, optional }) => ({
            at,
            key: { kind: "literal", at, value: name },
            value,
            optional,
          })),
          STRUCT_COST,
        );
      case "comprehension":
        return planLoop(this, expr);
    }
  }

  #variable(name: string, type: CelType, free: boolean): Plan {
    const slot = this.slots.find(name);
    this.mentioned.add(name);
    if (slot === undefined) return constant(new TypeValue(type.params[0]!));
    const cost = free ? 0 : 1;
    const init = this.lazy.get(slot);
    if (init !== undefined) {
      return {
        run: (frame) => {
          frame.cost += cost;
          const value = frame.slots[slot];
          if (value !== undefined) return value;
          const made = init(frame);
          frame.slots[slot] = made;
          return made;
        },
      };
    }
    return {
      run: (frame) => {
        frame.cost += cost;
        return frame.slots[slot]!;
      },
    };
  }

  /** What a field or element is taken of: chains cost one unit for their root, whatever the root is. */
  #root(expr: Expr, free: boolean): { run: Eval; cost: number } {
    if (isChain(expr)) return { run: this.plan(expr, free).run, cost: 0 };
    return { run: this.plan(expr).run, cost: free ? 0 : 1 };
  }

  #select(expr: Select, free: boolean): Plan {
    if (expr.qualified !== undefined) return this.#variable(expr.qualified, expr.type!, free);
    const field = expr.field;
    if (expr.test) {
      const root = this.#root(expr.operand, true).run;
      return {
        run: (frame) => {
          const target = root(frame);
          const found = has(target, field);
          // Of an optional only what is there is looked at.
          if (!(target instanceof CelError || (found === false && target instanceof Optional))) frame.cost += 1;
          return found;
        },
      };
    }
    const { run: root, cost } = this.#root(expr.operand, free);
    const total = cost + 1;
    // Objects of one schema share their shape: the field is looked up once.
    let shape: Shape | undefined;
    let property: Property | undefined;
    return {
      run: (frame) => {
        const target = root(frame);
        if (!(target instanceof ObjectView)) {
          const found = access(target, field);
          frame.cost += isSkipped(target, found) ? cost : total;
          return found;
        }
        frame.cost += total;
        if (target.shape !== shape) {
          shape = target.shape;
          property = shape.get(field);
        }
        const value = property === undefined ? undefined : target.read(property);
        return value === undefined ? noSuchKey(field) : value;
      },
    };
  }

  #index(expr: Call, free: boolean, optional: boolean): Plan {
    const { run: root, cost } = this.#root(expr.args[0]!, free);
    const index = this.plan(expr.args[1]!, true);
    const total = cost + 1;
    const read = optional ? accessOptional : access;
    if (isConstant(index)) {
      const key = index.constant;
      if (keyOf(key) === undefined && !(key instanceof Double))
        throw new PlanError(`invalid qualifier type: ${goTypeName(key)}`);
      return {
        run: (frame) => {
          const target = root(frame);
          const found = read(target, key);
          frame.cost += isSkipped(target, found) || (optional && isNone(found)) ? cost : total;
          return found;
        },
      };
    }
    return {
      run: (frame) => {
        const target = root(frame);
        if (target instanceof CelError) {
          frame.cost += cost;
          return target;
        }
        const key = index.run(frame);
        const found = key instanceof CelError ? key : read(target, key);
        frame.cost += isSkipped(target, found) || (optional && isNone(found)) ? cost : total;
        return found;
      },
    };
  }

  #call(expr: Call, free: boolean): Plan {
    switch (expr.name) {
      case OPERATOR.and:
        return this.#logic(expr.args, false);
      case OPERATOR.or:
        return this.#logic(expr.args, true);
      case OPERATOR.conditional:
        return this.#conditional(expr);
      case OPERATOR.index:
        return this.#index(expr, free, false);
      case OPERATOR.optIndex:
      case OPERATOR.optSelect:
        return this.#index(expr, free, true);
      case OPERATOR.equals:
        return this.#binary(expr.args, (a, b) => equal(a, b), compareCost);
      case OPERATOR.notEquals:
        return this.#binary(expr.args, operators.notEqual, compareCost);
      case OPERATOR.in:
        return this.#in(expr);
      case OPERATOR.not:
        return this.#unary(expr.args[0]!, (value) => (typeof value === "boolean" ? !value : NO_SUCH_OVERLOAD));
      case OPERATOR.negate:
        return this.#unary(expr.args[0]!, operators.negate);
      case OPERATOR.notStrictlyFalse:
        return { run: this.#charged(this.plan(expr.args[0]!).run, (value) => value !== false) };
      default:
    }
    const operator = Object.hasOwn(BINARY, expr.name) ? BINARY[expr.name] : undefined;
    if (operator !== undefined) return this.#binary(expr.args, operator, operatorCost(expr.overloads));
    if (expr.target !== undefined && (expr.name === "or" || expr.name === "orValue")) return this.#or(expr);
    const args = (expr.target === undefined ? expr.args : [expr.target, ...expr.args]).map((arg) => this.plan(arg));
    return invoke(expr, args);
  }

  #charged(operand: Eval, operate: (value: Value) => Value): Eval {
    return (frame) => {
      const value = operand(frame);
      frame.cost += 1;
      return operate(value);
    };
  }

  #unary(expr: Expr, operate: (value: Value) => Value): Plan {
    const operand = this.plan(expr).run;
    return {
      run: this.#charged(operand, (value) => (value instanceof CelError ? value : operate(value))),
    };
  }

  #binary(
    args: Expr[],
    operate: (a: Value, b: Value) => Value,
    cost: ((a: Value, b: Value) => number) | undefined,
  ): Plan {
    const left = this.plan(args[0]!).run;
    const right = this.plan(args[1]!).run;
    if (cost === undefined) {
      return {
        run: (frame) => {
          const a = left(frame);
          const b = right(frame);
          frame.cost += 1;
          if (a instanceof CelError) return a;
          return b instanceof CelError ? b : operate(a, b);
        },
      };
    }
    return {
      run: (frame) => {
        const a = left(frame);
        const b = right(frame);
        // Numbers and booleans: the common case, and one unit.
        if (typeof a !== "object" && typeof a !== "string" && cost !== inList) frame.cost += 1;
        else frame.charge(cost(a, b));
        if (a instanceof CelError) return a;
        return b instanceof CelError ? b : operate(a, b);
      },
    };
  }

  /** Membership in a list of constants costs nothing: upstream looks it up in a set. */
  #in(expr: Call): Plan {
    const list = this.plan(expr.args[1]!);
    const members = isConstant(list) && expr.overloads?.length === 1 ? membersOf(list.constant) : undefined;
    if (members !== undefined) {
      if (members.size === 0) return constant(false);
      const element = this.plan(expr.args[0]!).run;
      return {
        run: (frame) => {
          const value = element(frame);
          if (value instanceof CelError) return value;
          const key = keyOf(value);
          return key !== undefined && members.has(key);
        },
      };
    }
    const known = expr.overloads?.length === 1 && expr.overloads[0]!.id === "in_list";
    return this.#binary(expr.args, operators.contains, known ? inList : undefined);
  }

  #logic(args: Expr[], decisive: boolean): Plan {
    const terms = args.map((arg) => this.plan(arg).run);
    if (terms.length === 2) {
      const [left, right] = terms as [Eval, Eval];
      return {
        run: (frame) => {
          const a = left(frame);
          if (a === decisive) return decisive;
          const b = right(frame);
          if (b === decisive) return decisive;
          if (typeof a !== "boolean") return a instanceof CelError ? a : NO_SUCH_OVERLOAD;
          return typeof b === "boolean" || b instanceof CelError ? b : NO_SUCH_OVERLOAD;
        },
      };
    }
    return {
      run: (frame) => {
        let failed: CelError | undefined;
        for (const term of terms) {
          const value = term(frame);
          if (value === decisive) return decisive;
          if (typeof value !== "boolean") failed ??= value instanceof CelError ? value : NO_SUCH_OVERLOAD;
        }
        return failed ?? !decisive;
      },
    };
  }

  /** `a.or(b)`, `a.orValue(b)`: cost nothing, and the other is looked at only when there is no first. */
  #or(expr: Call): Plan {
    const first = this.plan(expr.target!).run;
    const other = this.plan(expr.args[0]!).run;
    const unwrap = expr.name === "orValue";
    return {
      run: (frame) => {
        const optional = first(frame);
        if (optional instanceof CelError) return optional;
        if (!(optional instanceof Optional)) return NO_SUCH_OVERLOAD;
        if (optional.value === undefined) return other(frame);
        return unwrap ? optional.value : optional;
      },
    };
  }

  #conditional(expr: Call): Plan {
    const condition = this.plan(expr.args[0]!).run;
    const yes = this.plan(expr.args[1]!, true).run;
    const no = this.plan(expr.args[2]!, true).run;
    return {
      run: (frame) => {
        const chosen = condition(frame);
        if (chosen === true) return yes(frame);
        if (chosen === false) return no(frame);
        return chosen instanceof CelError ? chosen : NO_SUCH_OVERLOAD;
      },
    };
  }

  #list(elements: Expr[], optional: boolean[] | undefined): Plan {
    const plans = elements.map((element) => this.plan(element));
    const build = (frame: Frame): Value => {
      const items: Value[] = [];
      for (let i = 0; i < plans.length; i++) {
        const value = plans[i]!.run(frame);
        if (value instanceof CelError) return value;
        if (optional?.[i] !== true) items.push(value);
        else if (!(value instanceof Optional))
          return new CelError(
            `cannot initialize optional list element from non-optional value ${typeOfValue(value).name}`,
          );
        else if (value.value !== undefined) items.push(value.value);
      }
      return new ListValue(items);
    };
    if (plans.every(isConstant)) return folded(build);
    return {
      run: (frame) => {
        const list = build(frame);
        frame.charge(LIST_COST);
        return list;
      },
    };
  }

  #map(entries: Entry[], cost: number): Plan {
    const plans = entries.map(({ key, value, optional }) => ({
      key: this.plan(key),
      value: this.plan(value),
      optional,
    }));
    const build = (frame: Frame): Value => {
      const made = new Map<unknown, [Value, Value]>();
      for (const { key, value, optional } of plans) {
        const k = key.run(frame);
        if (k instanceof CelError) return k;
        let v = value.run(frame);
        if (v instanceof CelError) return v;
        if (optional) {
          if (!(v instanceof Optional))
            return new CelError(
              `cannot initialize optional entry '${String(k)}' from non-optional value ${typeOfValue(v).name}`,
            );
          if (v.value === undefined) continue;
          v = v.value;
        }
        const normal = keyOf(k);
        if (normal === undefined) return new CelError(`unsupported key type: ${typeOfValue(k).name}`);
        made.set(normal, [k, v]);
      }
      return new LiteralMap(made);
    };
    if (cost === MAP_COST && plans.every(({ key, value }) => isConstant(key) && isConstant(value)))
      return folded(build);
    return {
      run: (frame) => {
        const map = build(frame);
        frame.charge(cost);
        return map;
      },
    };
  }
}

/** Every element may have to be looked at. */
const inList = (_: Value, list: Value): number => sizeOf(list);

const isNone = (value: Value): boolean => value instanceof Optional && value.value === undefined;

/** Nothing was looked at: the target is an error, or an optional that does not have it. */
function isSkipped(target: Value, found: Value): boolean {
  return target instanceof CelError || (target instanceof Optional && isNone(found));
}

/** A literal of constants is a constant; a wrong one is an error each time it is looked at. */
function folded(build: (frame: Frame) => Value): Plan {
  return constant(build(undefined as unknown as Frame));
}

/** Whether an expression is a variable or a chain of fields, elements and choices on whatever it begins with. */
function isChain(expr: Expr): boolean {
  if (expr.kind === "ident") return true;
  if (expr.kind === "select") return true;
  return (
    expr.kind === "call" &&
    (expr.name === OPERATOR.index ||
      expr.name === OPERATOR.optIndex ||
      expr.name === OPERATOR.optSelect ||
      expr.name === OPERATOR.conditional)
  );
}

const BINARY: Record<string, (a: Value, b: Value) => Value> = {
  [OPERATOR.add]: operators.add,
  [OPERATOR.subtract]: operators.subtract,
  [OPERATOR.multiply]: operators.multiply,
  [OPERATOR.divide]: operators.divide,
  [OPERATOR.modulo]: operators.modulo,
  [OPERATOR.less]: operators.less,
  [OPERATOR.lessEquals]: operators.lessEquals,
  [OPERATOR.greater]: operators.greater,
  [OPERATOR.greaterEquals]: operators.greaterEquals,
};

/** Undefined: one unit. */
function operatorCost(overloads: readonly Overload[] | undefined): ((a: Value, b: Value) => number) | undefined {
  const id = overloads?.length === 1 ? overloads[0]!.id : "";
  if (id === "add_string" || id === "add_bytes") return joinCost;
  return traversesOperands(id) ? compareCost : undefined;
}

/** The keys of a list of strings, numbers and booleans; undefined for other lists. */
function membersOf(list: Value): Set<unknown> | undefined {
  if (!(list instanceof ListValue)) return undefined;
  const members = new Set<unknown>();
  for (const value of list.values()) {
    const key = keyOf(value);
    if (key === undefined) return undefined;
    members.add(key);
  }
  return members;
}
