/** What the checker knows about type variables, and the question it is for: may a value of this type stand where that type is wanted? */
import { CelType, DYN, isDyn, sameType } from "./types.ts";

/** Steps one check may take: types that double with every loop would take for ever. */
const MAX_STEPS = 1_000_000;

export class TypesTooLarge extends Error {}

export class Substitution {
  readonly #bindings = new Map<string, CelType>();
  /** What was bound before, to go back to. */
  readonly #trail: [string, CelType | undefined][] = [];
  #steps = 0;

  #step(): void {
    if (++this.#steps > MAX_STEPS) throw new TypesTooLarge();
  }

  #set(name: string, type: CelType): void {
    this.#trail.push([name, this.#bindings.get(name)]);
    this.#bindings.set(name, type);
  }

  /** Whether all of `from` fit where `to` are wanted; what it took to make them fit is kept only then. */
  assignable(to: readonly CelType[], from: readonly CelType[]): boolean {
    this.#trail.length = 0;
    if (this.#fitAll(to, from)) return true;
    for (let last = this.#trail.pop(); last !== undefined; last = this.#trail.pop()) {
      if (last[1] === undefined) this.#bindings.delete(last[0]);
      else this.#bindings.set(last[0], last[1]);
    }
    return false;
  }

  /** `type` with its variables replaced; those nobody bound stay, or become `dyn`. */
  apply(type: CelType, unboundToDyn: boolean): CelType {
    this.#step();
    if (type.kind === "param") {
      const bound = this.#bindings.get(type.name);
      if (bound !== undefined) return this.apply(bound, unboundToDyn);
      return unboundToDyn ? DYN : type;
    }
    if (type.params.length === 0 || type.kind === "struct") return type;
    let changed = false;
    const params = type.params.map((one) => {
      const applied = this.apply(one, unboundToDyn);
      if (applied !== one) changed = true;
      return applied;
    });
    return changed ? new CelType(type.kind, type.name, params) : type;
  }

  #fitAll(to: readonly CelType[], from: readonly CelType[]): boolean {
    return to.length === from.length && to.every((type, i) => this.#fit(type, from[i]!));
  }

  #fit(a: CelType, b: CelType): boolean {
    this.#step();
    if (b.kind === "param") {
      const { valid, bound } = this.#bind(a, b);
      if (valid) return true;
      if (bound) return false;
    }
    if (a.kind === "param") return this.#bind(b, a).valid;
    if (isDyn(a) || isDyn(b) || a.kind === "error" || b.kind === "error") return true;
    if (a.kind === "null") return nullable(b);
    if (b.kind === "null") return nullable(a);
    if (a.kind !== b.kind) return false;
    switch (a.kind) {
      case "type":
        return true;
      case "opaque":
      case "list":
      case "map":
        return a.name === b.name && this.#fitAll(a.params, b.params);
      default:
        return a.name === b.name;
    }
  }

  /** Lets the variable stand for the type, or for something more general that it stands for already. */
  #bind(type: CelType, variable: CelType): { valid: boolean; bound: boolean } {
    if (type.kind === "param" && type.name === variable.name) return { valid: true, bound: true };
    const bound = this.#bindings.get(variable.name);
    if (bound !== undefined) {
      if (type.kind === bound.kind && sameType(type, bound)) return { valid: true, bound: true };
      if (!this.#fit(type, bound)) return { valid: false, bound: true };
      const general = moreGeneral(type, bound);
      if (!this.#mentions(general, variable)) this.#set(variable.name, general);
      return { valid: true, bound: true };
    }
    if (this.#mentions(type, variable)) return { valid: false, bound: false };
    this.#set(variable.name, type);
    return { valid: true, bound: false };
  }

  #mentions(type: CelType, variable: CelType): boolean {
    this.#step();
    if (type.kind === "param") {
      if (type.name === variable.name) return true;
      const bound = this.#bindings.get(type.name);
      return bound !== undefined && this.#mentions(bound, variable);
    }
    return type.params.some((one) => this.#mentions(one, variable));
  }
}

function nullable(type: CelType): boolean {
  return ["null", "opaque", "struct", "any", "duration", "timestamp"].includes(type.kind);
}

export function moreGeneral(a: CelType, b: CelType): CelType {
  return lessSpecific(a, b) ? a : b;
}

function lessSpecific(a: CelType, b: CelType): boolean {
  if (isDyn(a) || a.kind === "param") return true;
  if (isDyn(b) || b.kind === "param") return false;
  // What is larger than the other by variables alone is rare, what is larger than this is hostile.
  if (a.kind !== b.kind || a.size > 10_000) return false;
  switch (a.kind) {
    case "opaque":
    case "list":
    case "map":
      return (
        a.name === b.name &&
        a.params.length === b.params.length &&
        a.params.every((t, i) => lessSpecific(t, b.params[i]!))
      );
    case "type":
      return true;
    default:
      return sameType(a, b);
  }
}
