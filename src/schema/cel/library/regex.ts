/** Kubernetes' library of patterns, two-variable loops' one function, and the escaping of JSON pointers. */
import { declare, type Overload } from "../check/declarations.ts";
import { findAll } from "../run/regex.ts";
import { CelError } from "../values/errors.ts";
import { ListValue } from "../values/list.ts";
import { LiteralMap, type MapValue } from "../values/map.ts";
import type { Int } from "../values/numbers.ts";
import type { Value } from "../values/value.ts";

function find(text: string, pattern: string): Value {
  const found = findAll(text, pattern, 1);
  return found instanceof CelError ? new CelError(`Illegal regex: ${found.message}`) : (found[0] ?? "");
}

function all(text: string, pattern: string, limit: Int): Value {
  const found = findAll(text, pattern, limit < 0 ? Number.POSITIVE_INFINITY : Number(limit));
  return found instanceof CelError ? new CelError(`Illegal regex: ${found.message}`) : new ListValue(found);
}

export const REGEX_FUNCTIONS: readonly Overload[] = [
  declare("find: string.(string) string @string_find_string", find),
  declare("findAll: string.(string) list(string) @string_find_all_string", (text: string, pattern: string) =>
    all(text, pattern, -1),
  ),
  declare("findAll: string.(string, int) list(string) @string_find_all_string_int", all),
];

function insert(map: MapValue, key: Value, value: Value): Value {
  const literal =
    map instanceof LiteralMap
      ? map
      : LiteralMap.of([...map.keys()].map((one): [Value, Value] => [one, map.find(one)!]));
  return literal.insert(key, value, false);
}

export const TWO_VARIABLE_FUNCTIONS: readonly Overload[] = [
  declare("cel.@mapInsert: (map(K, V), K, V) map(K, V) @@mapInsert_map_key_value", insert),
  declare("cel.@mapInsert: (map(K, V), map(K, V)) map(K, V) @@mapInsert_map_map", (map: MapValue, more: MapValue) => {
    let all: Value = map;
    for (const key of more.keys()) {
      if (all instanceof CelError) return all;
      all = insert(all as MapValue, key, more.find(key)!);
    }
    return all;
  }),
];

/** For places that make JSON patches; rules do not have it. */
export const JSON_PATCH_FUNCTIONS: readonly Overload[] = [
  declare("jsonpatch.escapeKey: (string) string @string_jsonpatch_escapeKey_string", (key: string) =>
    key.replaceAll("~", "~0").replaceAll("/", "~1"),
  ),
];
