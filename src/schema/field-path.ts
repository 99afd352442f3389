/** Paths into a schema as rules and selectable fields write them: `.spec.color`, `.spec['a.b']` (spec: apiserver 8.6, 8.10). */
import { at, child } from "../api/field-errors.ts";
import { type DefinitionSchema, hasProperties, membersOf, propertyOf } from "./definition-schema.ts";

/** Where a path leads. */
export interface FoundField {
  /** As errors print it, without the first dot; empty for an empty path. */
  readonly path: string;
  /** The name of the first step. */
  readonly root: string;
  /** Undefined below `additionalProperties: true`. */
  readonly schema: DefinitionSchema | undefined;
}

const MISSING = "does not refer to a valid field";
const TRUNCATED = "unexpected end of JSON path";
const ESCAPES = new Map([
  ["a", "\u0007"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
  ["'", "'"],
  ["\\", "\\"],
]);

/** Follows `text` from `schema`; the reason, as upstream words it, when it leads nowhere. `brackets`: steps may be quoted in brackets. */
export function findField(text: string, schema: DefinitionSchema, brackets = true): FoundField | string {
  const tokens = tokensOf(text);
  let path = "";
  let root = "";
  let node: DefinitionSchema | undefined = schema;
  for (let index = 0; index < tokens.length; ) {
    const token = tokens[index]!;
    let name: string;
    if (token === "[") {
      if (!brackets) return "array notation is not allowed";
      const quoted = tokens[index + 1];
      if (quoted === undefined) return TRUNCATED;
      if (quoted.length < 2 || !quoted.startsWith("'") || !quoted.endsWith("'")) {
        return `expected single quoted string but got ${quoted}`;
      }
      const unescaped = withoutEscapes(quoted.slice(1, -1));
      if (typeof unescaped !== "string") return `invalid string literal: ${unescaped.problem}`;
      name = unescaped;
    } else if (token === ".") {
      const next = tokens[index + 1];
      if (next === undefined) return TRUNCATED;
      name = next;
    } else {
      return `expected [ or . but got: ${token}`;
    }
    if (node === undefined) return MISSING;
    if (hasProperties(node)) {
      const property: DefinitionSchema | undefined = propertyOf(node, name);
      if (property === undefined) return MISSING;
      path = child(path, name);
      node = property;
    } else if (node.additionalProperties !== undefined) {
      path = at(path, name);
      node = membersOf(node);
    } else return MISSING;
    root ||= name;
    if (token === "[") {
      const closing = tokens[index + 2];
      if (closing === undefined) return TRUNCATED;
      if (closing !== "]") return `expected ] but got ${closing}`;
      index += 3;
    } else index += 2;
  }
  return { path, root, schema: node };
}

/** Dots, brackets, and what lies between them; a token that begins with a quote ends with one. */
function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  let start = 0;
  while (start < text.length) {
    const first = text[start]!;
    let end = start + 1;
    if (first === "'") {
      while (end < text.length && !(text[end] === "'" && text[end - 1] !== "\\")) end++;
      end = Math.min(end + 1, text.length);
    } else if (!".[]".includes(first)) {
      while (end < text.length && !".[]".includes(text[end]!)) end++;
    }
    tokens.push(text.slice(start, end));
    start = end;
  }
  return tokens;
}

function withoutEscapes(text: string): string | { readonly problem: string } {
  let problem: string | undefined;
  const plain = text.replace(/\\(.)/g, (sequence, letter: string) => {
    const meant = ESCAPES.get(letter);
    if (meant === undefined) problem = `invalid escape char ${sequence}`;
    return meant ?? "";
  });
  return problem === undefined ? plain : { problem };
}
