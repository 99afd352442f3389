/** Decoded JSON as Go's `%v` prints it: `map[a:1 b:[x y]]`, with sorted keys and `<nil>`. */
import { sortKeys } from "./json/index.ts";
import type { JSONObject, JSONValue } from "./meta.ts";

interface Level {
  readonly value: JSONValue[] | JSONObject;
  readonly keys: readonly string[] | undefined;
  next: number;
}

/** Iterates: what is printed may be as deep as a request body. */
export function printGo(value: JSONValue): string {
  if (typeof value !== "object" || value === null) return value === null ? "<nil>" : `${value}`;
  const parts: string[] = [];
  const levels: Level[] = [];
  const enter = (inner: JSONValue[] | JSONObject) => {
    const keys = Array.isArray(inner) ? undefined : sortKeys(Object.keys(inner));
    parts.push(keys === undefined ? "[" : "map[");
    levels.push({ value: inner, keys, next: 0 });
  };
  enter(value);
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const { keys } = level;
    const index = level.next++;
    if (index >= (keys ?? (level.value as JSONValue[])).length) {
      parts.push("]");
      levels.pop();
      continue;
    }
    if (index > 0) parts.push(" ");
    if (keys !== undefined) parts.push(keys[index]!, ":");
    const inner =
      keys === undefined ? (level.value as JSONValue[])[index]! : (level.value as JSONObject)[keys[index]!]!;
    if (typeof inner === "object" && inner !== null) enter(inner);
    else parts.push(inner === null ? "<nil>" : `${inner}`);
  }
  return parts.join("");
}
