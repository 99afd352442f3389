/** Gives each node of a tree its type and each call the overloads that fit, or says what is wrong in upstream's words. */
import {
  type Call,
  type Comprehension,
  type Expr,
  OPERATOR,
  qualifiedName,
  type Select,
  type Struct,
} from "../syntax/ast.ts";
import { Errors, type Offset } from "../syntax/source.ts";
import { typeOfValue } from "../values/value.ts";
import type { Overload } from "./declarations.ts";
import { candidates, type Environment, lookup, Scope } from "./environment.ts";
import { moreGeneral, Substitution, TypesTooLarge } from "./substitution.ts";
import {
  BOOL,
  type CelType,
  DYN,
  ERROR,
  INT,
  isDyn,
  isOptional,
  listOf,
  mapOf,
  optionalOf,
  param,
  sameType,
} from "./types.ts";

/** Writes types into `expr`; none of them holds a variable afterwards. */
export function check(expr: Expr, env: Environment): Errors {
  const checker = new Checker(env);
  try {
    checker.check(expr);
    checker.settle();
  } catch (error) {
    if (!(error instanceof TypesTooLarge)) throw error;
    checker.errors.report(expr.at, "the types of the expression are too large");
  }
  return checker.errors;
}

class Checker {
  readonly errors = new Errors();
  readonly #env: Environment;
  readonly #bindings = new Substitution();
  readonly #nodes: Expr[] = [];
  #scope: Scope;
  #variables = 0;

  constructor(env: Environment) {
    this.#env = env;
    this.#scope = new Scope(env.variables);
  }

  /** The type of `expr`, perhaps with variables that later nodes bind. */
  check(expr: Expr): CelType {
    const type = this.#typeOf(expr);
    expr.type = type;
    this.#nodes.push(expr);
    return type;
  }

  settle(): void {
    for (const node of this.#nodes) node.type = this.#bindings.apply(node.type!, true);
  }

  #typeOf(expr: Expr): CelType {
    switch (expr.kind) {
      case "literal":
        return typeOfValue(expr.value);
      case "ident": {
        const found = lookup(this.#env, this.#scope, expr.name);
        if (found === undefined) return this.#undeclared(expr.at, expr.name);
        expr.name = found.name;
        return found.type;
      }
      case "select":
        return this.#select(expr);
      case "call":
        return this.#call(expr);
      case "list":
        return this.#list(expr.elements, expr.optional);
      case "map":
        return this.#map(expr.entries);
      case "struct":
        return this.#struct(expr);
      case "comprehension":
        return this.#comprehension(expr);
    }
  }

  #undeclared(at: Offset, name: string): CelType {
    this.errors.report(at, `undeclared reference to '${name}' (in container '${this.#env.container}')`);
    return ERROR;
  }

  #mismatch(at: Offset, expected: CelType, found: CelType): void {
    this.errors.report(at, `expected type '${expected}' but found '${found}'`);
  }

  #assignable(to: CelType, from: CelType): boolean {
    return this.#bindings.assignable([to], [from]);
  }

  #fresh(): CelType {
    return param(`_var${this.#variables++}`);
  }

  #select(expr: Select): CelType {
    const name = expr.test ? undefined : qualifiedName(expr);
    if (name !== undefined) {
      const found = lookup(this.#env, this.#scope, name);
      if (found !== undefined) {
        expr.qualified = found.name;
        return found.type;
      }
    }
    const type = this.#field(expr.at, expr.operand, expr.field, false);
    return expr.test ? BOOL : this.#bindings.apply(type, false);
  }

  /** The type of `operand.field`, optional when the operand is or the select is. */
  #field(at: Offset, operand: Expr, field: string, optional: boolean): CelType {
    const whole = this.#bindings.apply(this.check(operand), false);
    const lifted = isOptional(whole);
    const target = lifted ? whole.params[0]! : whole;
    let result: CelType;
    if (target.kind === "map") result = target.params[1]!;
    else if (target.kind === "struct") {
      const found = target.fields!(field);
      if (found === undefined) this.errors.report(at, `undefined field '${field}'`);
      result = found ?? ERROR;
    } else {
      if (target.kind === "param") this.#assignable(DYN, target);
      else if (!isDyn(target) && target.kind !== "error")
        this.errors.report(at, `type '${target}' does not support field selection`);
      result = DYN;
    }
    return lifted || optional ? optionalOf(result) : result;
  }

  #call(expr: Call): CelType {
    if (expr.name === OPERATOR.optSelect) {
      const [operand, field] = expr.args as [Expr, Expr];
      field.type = typeOfValue((field as { value: string }).value);
      return this.#bindings.apply(this.#field(expr.at, operand, (field as { value: string }).value, true), false);
    }
    for (const arg of expr.args) this.check(arg);
    if (expr.target === undefined) {
      const overloads = this.#function(expr, expr.name);
      return overloads === undefined ? this.#undeclared(expr.at, expr.name) : this.#resolve(expr, overloads);
    }
    // `a.b.c()` may be a function with dots in its name.
    const prefix = qualifiedName(expr.target);
    if (prefix !== undefined) {
      const overloads = this.#function(expr, `${prefix}.${expr.name}`);
      if (overloads !== undefined) {
        expr.target = undefined;
        return this.#resolve(expr, overloads);
      }
    }
    this.check(expr.target);
    const overloads = this.#function(expr, expr.name);
    return overloads === undefined ? this.#undeclared(expr.at, expr.name) : this.#resolve(expr, overloads);
  }

  /** Finds a function by any name the container gives it, and writes the full name into the call. */
  #function(expr: Call, name: string): readonly Overload[] | undefined {
    for (const candidate of candidates(this.#env.container, name)) {
      const overloads = this.#env.functions.find(candidate);
      if (overloads !== undefined) {
        expr.name = candidate;
        return overloads;
      }
    }
    return undefined;
  }

  #resolve(expr: Call, overloads: readonly Overload[]): CelType {
    if (expr.name === OPERATOR.and || expr.name === OPERATOR.or) return this.#logic(expr, overloads[0]!);
    const args = (expr.target === undefined ? expr.args : [expr.target, ...expr.args]).map((arg) => arg.type!);
    const fitting: Overload[] = [];
    let result: CelType | undefined;
    for (const overload of overloads) {
      if (overload.member !== (expr.target !== undefined)) continue;
      const fresh = this.#instantiate(overload);
      if (!this.#bindings.assignable(fresh.args, args)) continue;
      fitting.push(overload);
      const type = this.#bindings.apply(fresh.result, false);
      if (result === undefined) result = type;
      else if (!isDyn(result) && !sameType(type, result)) result = DYN;
    }
    if (result === undefined) {
      const types = args.map((type) => this.#bindings.apply(type, true));
      const target = expr.target === undefined ? "" : `${types.shift()}.`;
      this.errors.report(
        expr.at,
        `found no matching overload for '${expr.name}' applied to '${target}(${types.join(", ")})'`,
      );
      return ERROR;
    }
    expr.overloads = fitting;
    return result;
  }

  /** The overload's types with type variables of this call's own. */
  #instantiate(overload: Overload): { args: readonly CelType[]; result: CelType } {
    if (overload.variables.length === 0) return overload;
    const own = new Substitution();
    for (const variable of overload.variables) own.assignable([this.#fresh()], [param(variable)]);
    return { args: overload.args.map((type) => own.apply(type, false)), result: own.apply(overload.result, false) };
  }

  #logic(expr: Call, overload: Overload): CelType {
    let wrong = false;
    for (const arg of expr.args) {
      if (this.#assignable(arg.type!, BOOL)) continue;
      this.#mismatch(arg.at, BOOL, this.#bindings.apply(arg.type!, true));
      wrong = true;
    }
    expr.overloads = [overload];
    return wrong ? ERROR : BOOL;
  }

  #list(elements: Expr[], optional: boolean[] | undefined): CelType {
    let joined: CelType | undefined;
    elements.forEach((element, i) => {
      const type = this.#optionally(element, optional?.[i] === true);
      joined = this.#join(joined, type);
    });
    return listOf(joined ?? this.#fresh());
  }

  #map(entries: { key: Expr; value: Expr; optional: boolean }[]): CelType {
    let keys: CelType | undefined;
    let values: CelType | undefined;
    for (const { key, value, optional } of entries) {
      keys = this.#join(keys, this.check(key));
      values = this.#join(values, this.#optionally(value, optional));
    }
    return mapOf(keys ?? this.#fresh(), values ?? this.#fresh());
  }

  /** The type of an element; one written `?e` must be optional, and counts as what it holds. */
  #optionally(expr: Expr, optional: boolean): CelType {
    const type = this.check(expr);
    if (!optional) return type;
    if (isOptional(type)) return type.params[0]!;
    if (!isDyn(type)) this.#mismatch(expr.at, optionalOf(type), type);
    return type;
  }

  #join(joined: CelType | undefined, type: CelType): CelType {
    if (joined === undefined) return type;
    if (this.#assignable(joined, type)) return moreGeneral(joined, type);
    return DYN;
  }

  #struct(expr: Struct): CelType {
    const found = lookup(this.#env, this.#scope, expr.name);
    if (found === undefined) return this.#undeclared(expr.at, expr.name);
    expr.name = found.name;
    const type = found.type.kind === "type" ? found.type.params[0] : undefined;
    if (type === undefined) this.errors.report(expr.at, `'${found.type}' is not a type`);
    else if (type.kind !== "struct") this.errors.report(expr.at, `'${type}' is not a message type`);
    const known = type?.kind === "struct" ? type : undefined;
    for (const field of expr.fields) {
      const value = this.#optionally(field.value, field.optional);
      if (known === undefined) continue;
      const declared = known.fields!(field.name);
      if (declared === undefined) this.errors.report(field.at, `undefined field '${field.name}'`);
      else if (!this.#assignable(declared, value))
        this.errors.report(
          field.at,
          `expected type of field '${field.name}' is '${declared}' but provided type is '${value}'`,
        );
    }
    return known ?? ERROR;
  }

  #comprehension(expr: Comprehension): CelType {
    this.check(expr.range);
    const accumulator = this.check(expr.init);
    const range = this.#bindings.apply(expr.range.type!, false);
    const outer = this.#scope;
    const withResult = new Scope(new Map([[expr.accumulator, accumulator]]), outer);
    const names = new Map<string, CelType>();
    const [first, second] = this.#elements(expr, range);
    names.set(expr.variable, first);
    if (expr.variable2 !== undefined) names.set(expr.variable2, second);
    this.#scope = new Scope(names, withResult);
    this.#assert(expr.condition, BOOL);
    this.#assert(expr.step, accumulator);
    this.#scope = withResult;
    this.check(expr.result);
    this.#scope = outer;
    return this.#bindings.apply(expr.result.type!, false);
  }

  /** The types of the loop variables: elements, or keys; with two variables index and element, or key and value. */
  #elements(expr: Comprehension, range: CelType): [CelType, CelType] {
    const two = expr.variable2 !== undefined;
    switch (range.kind) {
      case "list":
        return two ? [INT, range.params[0]!] : [range.params[0]!, DYN];
      case "map":
        return [range.params[0]!, range.params[1]!];
      case "dyn":
      case "any":
      case "error":
      case "param":
        this.#assignable(DYN, range);
        return [DYN, DYN];
      default:
        this.errors.report(
          expr.range.at,
          `expression of type '${range}' cannot be range of a comprehension (must be list, map, or dynamic)`,
        );
        return [ERROR, ERROR];
    }
  }

  #assert(expr: Expr, type: CelType): void {
    const found = this.check(expr);
    if (!this.#assignable(type, found))
      this.#mismatch(expr.at, this.#bindings.apply(type, false), this.#bindings.apply(found, false));
  }
}
