/** Functions as they are declared: overloads with their types, written as signatures in one line, and what they do. */
import type { Value } from "../values/value.ts";
import { type CelType, listOf, mapOf, NAMED, opaque, optionalOf, param, typeOf } from "./types.ts";

/** Never throws; an error is a value. Arguments are of the declared types and no errors. */
// biome-ignore lint/suspicious/noExplicitAny: each implementation takes the types its signature says, checked before it is called.
export type Implementation = (...args: any[]) => Value;

export interface Overload {
  readonly name: string;
  readonly id: string;
  /** Called as `target.name(…)`; the target is the first argument. */
  readonly member: boolean;
  readonly args: readonly CelType[];
  readonly result: CelType;
  /** Names of the type variables. */
  readonly variables: readonly string[];
  readonly run: Implementation;
}

const SIGNATURE = /^(\S+): (?:(.+)\.)?\((.*)\) (.+) @(\S+)$/;

/**
 * One overload from its line: `replace: string.(string, string) string @string_replace_string_string`. Single capital letters are
 * type variables; names with dots are opaque types.
 */
export function declare(signature: string, run: Implementation): Overload {
  const match = SIGNATURE.exec(signature);
  if (match === null) throw new Error(`not a signature: ${signature}`);
  const [, name, target, args, result, id] = match;
  const variables = new Set<string>();
  const types = splitTypes(args!).map((text) => parseType(text, variables));
  if (target !== undefined) types.unshift(parseType(target, variables));
  return {
    name: name!,
    id: id!,
    member: target !== undefined,
    args: types,
    result: parseType(result!, variables),
    variables: [...variables],
    run,
  };
}

/** `list(A), int` split at the commas between types. */
function splitTypes(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")") depth--;
    else if (text[i] === "," && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

/** A type as signatures and errors write it. */
export function parseType(text: string, variables: Set<string>): CelType {
  const named = NAMED.get(text);
  if (named !== undefined) return named;
  const open = text.indexOf("(");
  if (open === -1) {
    if (!/^[A-Z]$/.test(text)) return opaque(text);
    variables.add(text);
    return param(text);
  }
  const name = text.slice(0, open);
  const params = splitTypes(text.slice(open + 1, -1)).map((one) => parseType(one, variables));
  switch (name) {
    case "list":
      return listOf(params[0]!);
    case "map":
      return mapOf(params[0]!, params[1]!);
    case "type":
      return typeOf(params[0]!);
    case "optional_type":
      return optionalOf(params[0]!);
    default:
      return opaque(name, ...params);
  }
}

/** The overloads of one name, in the order they are tried. */
export class Functions {
  readonly #byName = new Map<string, Overload[]>();

  constructor(...libraries: (readonly Overload[])[]) {
    for (const overload of libraries.flat()) {
      const overloads = this.#byName.get(overload.name);
      if (overloads === undefined) this.#byName.set(overload.name, [overload]);
      else overloads.push(overload);
    }
  }

  find(name: string): readonly Overload[] | undefined {
    return this.#byName.get(name);
  }

  /** These and more. */
  with(more: readonly Overload[]): Functions {
    return new Functions([...this.#byName.values()].flat(), more);
  }
}
