/** Lists: Kubernetes' own functions, CEL's lists library (version 3) and sets. */
import { declare, type Overload } from "../check/declarations.ts";
import { add } from "../run/operators.ts";
import { compare, equal } from "../values/compare.ts";
import { CelError } from "../values/errors.ts";
import { ListValue } from "../values/list.ts";
import { Double, type Int, Uint } from "../values/numbers.ts";
import { Duration } from "../values/time.ts";
import { NONE, Optional, typeOfValue, type Value } from "../values/value.ts";

const COMPARABLE = ["int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes"];
const RUNTIME_NAMES: Record<string, string> = {
  duration: "google.protobuf.Duration",
  timestamp: "google.protobuf.Timestamp",
};

function isSorted(list: ListValue): Value {
  for (let i = 1; i < list.size; i++) {
    const order = compare(list.get(i - 1), list.get(i));
    if (typeof order !== "number") return order;
    if (order > 0) return false;
  }
  return true;
}

/** The one that is `sign` of all others. */
const extreme =
  (name: string, sign: number) =>
  (list: ListValue): Value => {
    if (list.size === 0) return new CelError(`${name} called on empty list`);
    let best = list.get(0);
    for (let i = 1; i < list.size; i++) {
      const value = list.get(i);
      const order = compare(value, best);
      if (typeof order !== "number") return order;
      if (order * sign > 0) best = value;
    }
    return best;
  };

const sum =
  (zero: Value) =>
  (list: ListValue): Value => {
    let total = zero;
    for (const value of list.values()) {
      total = add(total, value);
      if (total instanceof CelError) return total;
    }
    return total;
  };

const ZEROS: [string, Value][] = [
  ["int", 0],
  ["uint", new Uint(0)],
  ["double", new Double(0)],
  ["duration", new Duration(0)],
];

function indexOf(list: ListValue, element: Value): Value {
  for (let i = 0; i < list.size; i++) if (equal(list.get(i), element) === true) return i;
  return -1;
}

function lastIndexOf(list: ListValue, element: Value): Value {
  for (let i = list.size - 1; i >= 0; i--) if (equal(list.get(i), element) === true) return i;
  return -1;
}

/** Kubernetes' lists library. */
export const KUBERNETES_LIST_FUNCTIONS: readonly Overload[] = [
  ...COMPARABLE.flatMap((type) => [
    declare(`isSorted: list(${type}).() bool @list_${type}_is_sorted_bool`, isSorted),
    declare(`max: list(${type}).() ${type} @list_${type}_max_${type}`, extreme("max", 1)),
    declare(`min: list(${type}).() ${type} @list_${type}_min_${type}`, extreme("min", -1)),
  ]),
  ...ZEROS.map(([type, zero]) => declare(`sum: list(${type}).() ${type} @list_${type}_sum_${type}`, sum(zero))),
  declare("indexOf: list(A).(A) int @list_a_index_of_int", indexOf),
  declare("lastIndexOf: list(A).(A) int @list_a_last_index_of_int", lastIndexOf),
];

function distinct(list: ListValue): Value {
  const kept: Value[] = [];
  for (const value of list.values()) if (!kept.some((one) => equal(one, value) === true)) kept.push(value);
  return new ListValue(kept);
}

function flatten(list: ListValue, depth: Int): Value {
  if (depth < 0) return new CelError("level must be non-negative");
  const out: Value[] = [];
  const into = (values: ListValue, left: Int): void => {
    for (const value of values.values()) {
      if (value instanceof ListValue && left > 0) into(value, Number(left) - 1);
      else out.push(value);
    }
  };
  into(list, depth);
  return new ListValue(out);
}

function slice(list: ListValue, start: Int, end: Int): Value {
  const wrong = (why: string): CelError => new CelError(`cannot slice(${start}, ${end}), ${why}`);
  if (start < 0 || end < 0) return wrong("negative indexes not supported");
  if (start > end) return wrong("start index must be less than or equal to end index");
  if (list.size < end) return wrong(`list is length ${list.size}`);
  return new ListValue(list.values().slice(Number(start), Number(end)));
}

function sortBy(list: ListValue, keys: ListValue): Value {
  if (list.size !== keys.size)
    return new CelError(
      `@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got ${list.size} and ${keys.size} elements respectively`,
    );
  if (list.size === 0) return list;
  const by = keys.values();
  const type = typeOfValue(by[0]!).name;
  const odd = by.find((key) => typeOfValue(key).name !== type);
  if (odd !== undefined) return odd instanceof CelError ? odd : new CelError("list elements must have the same type");
  if (compare(by[0]!, by[0]!) instanceof CelError && !(by[0] instanceof Double))
    return new CelError("list elements must be comparable");
  const values = list.values();
  const order = by.map((_, i) => i);
  order.sort((a, b) => {
    const compared = compare(by[a]!, by[b]!);
    return typeof compared === "number" ? compared : 0;
  });
  return new ListValue(order.map((i) => values[i]!));
}

/** CEL's lists library, version 3. */
export const LIST_FUNCTIONS: readonly Overload[] = [
  declare("distinct: list(T).() list(T) @list_distinct", distinct),
  declare("first: list(V).() optional_type(V) @list_first", (list: ListValue) =>
    list.size === 0 ? NONE : new Optional(list.get(0)),
  ),
  declare("last: list(V).() optional_type(V) @list_last", (list: ListValue) =>
    list.size === 0 ? NONE : new Optional(list.get(list.size - 1)),
  ),
  declare("flatten: list(list(T)).() list(T) @list_flatten", (list: ListValue) => flatten(list, 1)),
  declare("flatten: list(dyn).(int) list(dyn) @list_flatten_int", flatten),
  declare(
    "lists.range: (int) list(int) @lists_range",
    (count: Int) => new ListValue(Array.from({ length: Math.max(0, Number(count)) }, (_, i) => i)),
  ),
  declare("reverse: list(T).() list(T) @list_reverse", (list: ListValue) => new ListValue(list.values().toReversed())),
  declare("slice: list(T).(int, int) list(T) @list_slice", slice),
  ...COMPARABLE.flatMap((type) => {
    const name = RUNTIME_NAMES[type] ?? type;
    return [
      declare(`sort: list(${type}).() list(${type}) @list_${name}_sort`, (list: ListValue) => sortBy(list, list)),
      declare(`@sortByAssociatedKeys: list(T).(list(${type})) list(T) @list_${name}_sortByAssociatedKeys`, sortBy),
    ];
  }),
];

const has = (list: ListValue, element: Value): boolean => list.values().some((one) => equal(one, element) === true);
const containsAll = (a: ListValue, b: ListValue): boolean => b.values().every((one) => has(a, one));

export const SET_FUNCTIONS: readonly Overload[] = [
  declare("sets.contains: (list(T), list(T)) bool @list_sets_contains_list", containsAll),
  declare(
    "sets.equivalent: (list(T), list(T)) bool @list_sets_equivalent_list",
    (a: ListValue, b: ListValue) => containsAll(a, b) && containsAll(b, a),
  ),
  declare("sets.intersects: (list(T), list(T)) bool @list_sets_intersects_list", (a: ListValue, b: ListValue) =>
    a.values().some((one) => has(b, one)),
  ),
];
