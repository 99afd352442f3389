/** What names mean to an expression: variables, types, functions and macros. */
import type { Macros } from "../syntax/macros.ts";
import type { Functions } from "./declarations.ts";
import { type CelType, listOf, mapOf, NAMED, opaque, param, typeOf } from "./types.ts";

export interface Environment {
  readonly functions: Functions;
  readonly macros: Macros;
  readonly variables: ReadonlyMap<string, CelType>;
  /** Names that are values of type `type`. */
  readonly types: ReadonlyMap<string, CelType>;
  /** Prefix of names, outermost last: `a.b`. Kubernetes uses none. */
  readonly container: string;
  /**
   * Kubernetes' rules for literals: elements are of one type, and arguments that can never be right (patterns, durations, timestamps)
   * are errors.
   */
  readonly checkLiterals: boolean;
  /** Fields may be named in backticks; Kubernetes does not allow it. */
  readonly escapedNames?: boolean;
}

/** The names of CEL's own types. */
export const STANDARD_TYPES: ReadonlyMap<string, CelType> = new Map([
  ...["bool", "bytes", "double", "int", "null_type", "string", "type", "uint"].map((name): [string, CelType] => [
    name,
    NAMED.get(name)!,
  ]),
  ["list", listOf(param("A"))],
  ["map", mapOf(param("A"), param("B"))],
  ["google.protobuf.Timestamp", NAMED.get("timestamp")!],
  ["google.protobuf.Duration", NAMED.get("duration")!],
  ["optional_type", opaque("optional_type")],
]);

/** The names a name may mean, innermost container first; a leading dot means exactly the rest. */
export function candidates(container: string, name: string): string[] {
  if (name.startsWith(".")) return [name.slice(1)];
  const names: string[] = [];
  for (let prefix = container; prefix !== ""; prefix = prefix.slice(0, Math.max(0, prefix.lastIndexOf("."))))
    names.push(`${prefix}.${name}`);
  names.push(name);
  return names;
}

/** Variables by nested scopes. */
export class Scope {
  readonly #names: ReadonlyMap<string, CelType>;
  readonly #outer: Scope | undefined;
  constructor(names: ReadonlyMap<string, CelType>, outer?: Scope) {
    this.#names = names;
    this.#outer = outer;
  }

  find(name: string): CelType | undefined {
    return this.#names.get(name) ?? this.#outer?.find(name);
  }
}

/** The name a variable or type is known by, and its type. */
export function lookup(env: Environment, scope: Scope, name: string): { name: string; type: CelType } | undefined {
  for (const candidate of candidates(env.container, name)) {
    const variable = scope.find(candidate);
    if (variable !== undefined) return { name: candidate, type: variable };
    const type = env.types.get(candidate);
    if (type !== undefined) return { name: candidate, type: typeOf(type) };
  }
  return undefined;
}
