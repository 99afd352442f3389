/** Optional values. */
import { declare, type Overload } from "../check/declarations.ts";
import { CelError } from "../values/errors.ts";
import { ListValue } from "../values/list.ts";
import { MapValue } from "../values/map.ts";
import { Double, Uint } from "../values/numbers.ts";
import { Duration, Timestamp } from "../values/time.ts";
import { NONE, Optional, type Value } from "../values/value.ts";

/** `0`, `""`, empty lists … */
function isZero(value: Value): boolean {
  if (value === null || value === false || value === 0 || value === "") return true;
  if (value instanceof ListValue || value instanceof MapValue) return value.size === 0;
  if (value instanceof Double || value instanceof Uint) return value.value === 0;
  if (value instanceof Uint8Array) return value.length === 0;
  if (value instanceof Duration) return value.nanos === 0;
  if (value instanceof Timestamp) return value.seconds === -62_135_596_800 && value.nanos === 0;
  return value instanceof Optional && value.value === undefined;
}

function unwrap(list: ListValue): Value {
  const values: Value[] = [];
  for (const one of list.values()) {
    if (!(one instanceof Optional)) return new CelError("value is not an optional");
    if (one.value !== undefined) values.push(one.value);
  }
  return new ListValue(values);
}

const never = (): Value => new CelError("no such overload");

export const OPTIONAL_FUNCTIONS: readonly Overload[] = [
  declare("_?._: (dyn, string) optional_type(V) @select_optional_field", never),
  declare("_[?_]: (list(V), int) optional_type(V) @list_optindex_optional_int", never),
  declare("_[?_]: (optional_type(list(V)), int) optional_type(V) @optional_list_optindex_optional_int", never),
  declare("_[?_]: (map(K, V), K) optional_type(V) @map_optindex_optional_value", never),
  declare("_[?_]: (optional_type(map(K, V)), K) optional_type(V) @optional_map_optindex_optional_value", never),
  declare("_[_]: (optional_type(list(V)), int) optional_type(V) @optional_list_index_int", never),
  declare("_[_]: (optional_type(map(K, V)), K) optional_type(V) @optional_map_index_value", never),
  declare("hasValue: optional_type(V).() bool @optional_hasValue", (one: Optional) => one.value !== undefined),
  declare("optional.none: () optional_type(V) @optional_none", () => NONE),
  declare("optional.of: (V) optional_type(V) @optional_of", (value: Value) => new Optional(value)),
  declare("optional.ofNonZeroValue: (V) optional_type(V) @optional_ofNonZeroValue", (value: Value) =>
    isZero(value) ? NONE : new Optional(value),
  ),
  declare("optional.unwrap: (list(optional_type(V))) list(V) @optional_unwrap", unwrap),
  declare("unwrapOpt: list(optional_type(V)).() list(V) @optional_unwrapOpt", unwrap),
  declare(
    "or: optional_type(V).(optional_type(V)) optional_type(V) @optional_or_optional",
    (a: Optional, b: Optional) => (a.value === undefined ? b : a),
  ),
  declare("orValue: optional_type(V).(V) V @optional_orValue_value", (one: Optional, other: Value) =>
    one.value === undefined ? other : one.value,
  ),
  declare("value: optional_type(V).() V @optional_value", (one: Optional) =>
    one.value === undefined ? new CelError("optional.none() dereference") : one.value,
  ),
];
