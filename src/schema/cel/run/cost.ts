/** What calls cost at run time, in upstream's units: a unit is one step, ten characters are traversed for one. */
import { ListValue } from "../values/list.ts";
import { MapValue } from "../values/map.ts";
import { codePoints, utf8Size } from "../values/strings.ts";
import { Opaque, Optional, type Value } from "../values/value.ts";

/** The cost beside that of the arguments. */
export type Cost = (args: readonly Value[], result: Value) => number;

export const LIST_COST = 10;
export const MAP_COST = 30;
export const STRUCT_COST = 40;
const CHARACTER = 0.1;
/** A pattern is taken to have a state for every four characters. */
const PATTERN_CHARACTER = 0.25;

/** What `size()` gives, one for what has no size. */
export function sizeOf(value: Value): number {
  if (typeof value === "string") return codePoints(value);
  if (value instanceof ListValue || value instanceof MapValue) return value.size;
  if (value instanceof Uint8Array) return value.length;
  if (value instanceof Optional) return value.value === undefined ? 1 : sizeOf(value.value);
  return value instanceof Opaque ? value.size() : 1;
}

/** The cost of comparing two values: the smaller one is traversed. */
export function compareCost(a: Value, b: Value): number {
  if (a instanceof Opaque) return 1;
  return Math.ceil(Math.min(sizeOf(a), sizeOf(b)) * CHARACTER);
}

export function joinCost(a: Value, b: Value): number {
  return Math.ceil((sizeOf(a) + sizeOf(b)) * CHARACTER);
}

/** The first argument is traversed `times` times. */
const traverse =
  (times: number): Cost =>
  (args) =>
    Math.ceil(sizeOf(args[0]!) * times * CHARACTER);

function matchCost(text: Value, pattern: number): number {
  return Math.ceil((1 + sizeOf(text)) * CHARACTER) * Math.ceil(pattern * PATTERN_CHARACTER);
}

const match: Cost = (args) => matchCost(args[0]!, sizeOf(args[1]!));
/** Elements are compared, strings among them character by character. */
const elements: Cost = (args) => deepSize(args[0]!);

function deepSize(value: Value): number {
  if (typeof value === "string") return Math.floor(utf8Size(value) * CHARACTER);
  if (value instanceof Uint8Array) return Math.floor(value.length * CHARACTER);
  let total = 0;
  if (value instanceof ListValue) {
    for (let i = 0; i < value.size; i++) total += deepSize(value.get(i));
    return total;
  }
  if (value instanceof MapValue) {
    for (const key of value.keys()) total += deepSize(key) + deepSize(value.find(key)!);
    return total;
  }
  return 1;
}

/** Bytes of the range are looked at twice, once more to mask it, and a text is parsed first. */
const contains =
  (cidr: boolean, parsed: boolean): Cost =>
  ([range, other]) => {
    let cost = Math.ceil(2 * sizeOf(range!) * CHARACTER);
    if (cidr) cost += Math.ceil(sizeOf(range!) * CHARACTER) + 1;
    return parsed ? cost + Math.ceil(sizeOf(other!) * CHARACTER) : cost;
  };

/** Each element of the one is looked for in the other. */
const pairs =
  (times: number): Cost =>
  ([a, b]) =>
    1 + times * sizeOf(a!) * sizeOf(b!);

/** A call that makes a list, and takes so many steps to. */
const making =
  (steps: (args: readonly Value[], result: Value) => number): Cost =>
  (args, result) =>
    1 + LIST_COST + Math.floor(steps(args, result));

/** Every element is compared with every other. */
function comparing(list: Value): number {
  const size = sizeOf(list);
  if (size === 0 || !(list instanceof ListValue)) return 0;
  const first = list.get(0);
  const factor = typeof first === "string" || first instanceof Uint8Array ? 2 + CHARACTER : 2;
  return size * size * factor;
}

const sort = making(([list]) => comparing(list!));
const sortBy = making(([, keys]) => comparing(keys!));

/** By name of the function, whatever the overload: what Kubernetes says for its libraries. */
const BY_FUNCTION: Record<string, Cost> = {
  check: () => 350_000,
  ...all(["isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"], elements),
  ...all(["url", "lowerAscii", "upperAscii", "substring", "trim", "jsonpatch.escapeKey"], traverse(1)),
  ...all(["cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"], traverse(1)),
  ...all(["replace", "split", "ip.isCanonical"], traverse(2)),
  ...all(["find", "findAll"], match),
  join: (_, result) => Math.ceil(sizeOf(result) * 2 * CHARACTER),
  validate: ([format, text]) => matchCost(text!, sizeOf(format!)),
};

/** By overload: CEL's own, and those whose name does not say enough. */
const BY_OVERLOAD: Record<string, Cost> = {
  string_to_ip: traverse(1),
  cidr_contains_ip_string: contains(false, true),
  cidr_contains_ip_ip: contains(false, false),
  cidr_contains_cidr_string: contains(true, true),
  cidr_contains_cidr: contains(true, false),
  ...all(
    ["starts_with_string", "ends_with_string", "string_to_bytes", "bytes_to_string", "string_format"],
    traverse(1),
  ),
  strings_quote: traverse(1),
  matches_string: match,
  contains_string: (args) => Math.ceil(sizeOf(args[0]!) * CHARACTER) * Math.ceil(sizeOf(args[1]!) * CHARACTER),
  list_sets_contains_list: pairs(1),
  list_sets_intersects_list: pairs(1),
  list_sets_equivalent_list: pairs(2),
  list_slice: making((_, result) => sizeOf(result)),
  list_flatten: making(([list]) => sizeOf(list!)),
  list_flatten_int: making(([list, depth]) => sizeOf(list!) * Number(depth)),
  lists_range: making(([count]) => Math.max(0, Number(count))),
  list_reverse: making(([list]) => sizeOf(list!)),
  list_distinct: sort,
};

function all(names: readonly string[], cost: Cost): Record<string, Cost> {
  return Object.fromEntries(names.map((name) => [name, cost]));
}

/** Undefined: one unit. `overload` is undefined when only the values decide which one it is. */
export function costOf(name: string, overload: string | undefined): Cost | undefined {
  if (Object.hasOwn(BY_FUNCTION, name)) return BY_FUNCTION[name];
  if (overload === undefined) return undefined;
  if (Object.hasOwn(BY_OVERLOAD, overload)) return BY_OVERLOAD[overload];
  return name === "sort" ? sort : name === "@sortByAssociatedKeys" ? sortBy : undefined;
}

/** Overloads of `<` and its kin that traverse what they compare. */
export function traversesOperands(overload: string): boolean {
  return /^(less|less_equals|greater|greater_equals)_(string|bytes)$/.test(overload);
}
