/** Equality and order of values. Numbers of different types are compared as the numbers they are. */
import { CelError, NO_SUCH_OVERLOAD } from "./errors.ts";
import { ListValue } from "./list.ts";
import { MapValue } from "./map.ts";
import { compareInts, Double, Uint } from "./numbers.ts";
import { compareStrings } from "./strings.ts";
import { compareTimestamps, Duration, Timestamp } from "./time.ts";
import { Opaque, Optional, TypeValue, type Value } from "./value.ts";

/** `a == b`. Values of types that cannot be equal are not; errors among elements come out. */
export function equal(a: Value, b: Value): boolean | CelError {
  if (a === b) return typeof a !== "object" || !(a instanceof Double) || !Number.isNaN(a.value);
  if (typeof a !== "object" && typeof b !== "object") return false;
  if (a === null || b === null) return false;
  const left = numberOf(a);
  if (left !== undefined) {
    const right = numberOf(b);
    if (right === undefined) return false;
    return a instanceof Double || b instanceof Double ? Number(left) === Number(right) : left === right;
  }
  if (a instanceof ListValue) return b instanceof ListValue && equalLists(a, b);
  if (a instanceof MapValue) return b instanceof MapValue && equalMaps(a, b);
  if (a instanceof CelError) return a;
  if (b instanceof CelError) return b;
  if (a instanceof Uint8Array) return b instanceof Uint8Array && compareBytes(a, b) === 0;
  if (a instanceof Timestamp) return b instanceof Timestamp && compareTimestamps(a, b) === 0;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof Optional) {
    if (!(b instanceof Optional)) return false;
    if (a.value === undefined || b.value === undefined) return a.value === b.value;
    return equal(a.value, b.value);
  }
  if (a instanceof TypeValue) return b instanceof TypeValue && a.type.name === b.type.name;
  return a instanceof Opaque && b instanceof Opaque && a.typeName === b.typeName && a.equals(b);
}

function equalLists(a: ListValue, b: ListValue): boolean | CelError {
  if (a.size !== b.size) return false;
  if (a.merge !== undefined) return equalMembers(a, b);
  for (let i = 0; i < a.size; i++) {
    const same = equal(a.get(i), b.get(i));
    if (same !== true) return same;
  }
  return true;
}

/** Sets and lists of type map: the order does not matter. */
function equalMembers(a: ListValue, b: ListValue): boolean | CelError {
  const merge = a.merge!;
  const members = new Map(a.items.map((item, i) => [merge.key(item), i]));
  for (const value of b.values()) {
    const place = members.get(merge.key(merge.raw(value)));
    if (place === undefined) return false;
    if (!merge.replace) continue;
    const same = equal(a.get(place), value);
    if (same !== true) return same;
  }
  return true;
}

function equalMaps(a: MapValue, b: MapValue): boolean | CelError {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) {
    const other = b.find(key);
    if (other === undefined) return false;
    const same = equal(a.find(key)!, other);
    if (same !== true) return same;
  }
  return true;
}

/** The number an int, uint or double is; NaN equals nothing, itself included. */
function numberOf(value: Value): number | bigint | undefined {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (value instanceof Double || value instanceof Uint) return value.value;
  return undefined;
}

const NAN = new CelError("NaN values cannot be ordered");

/** Negative, zero or positive; an error for what has no order. */
export function compare(a: Value, b: Value): number | CelError {
  if (typeof a === "number" && typeof b === "number") return a - b;
  const left = numberOf(a);
  if (left !== undefined) {
    const right = numberOf(b);
    if (right === undefined) return NO_SUCH_OVERLOAD;
    if (!(a instanceof Double || b instanceof Double)) return compareInts(left, right);
    // An integer that meets a double becomes one, as upstream has it.
    const [x, y] = [Number(left), Number(right)];
    return Number.isNaN(x) || Number.isNaN(y) ? NAN : compareInts(x, y);
  }
  if (typeof a === "string") return typeof b === "string" ? compareStrings(a, b) : NO_SUCH_OVERLOAD;
  if (typeof a === "boolean") return typeof b === "boolean" ? Number(a) - Number(b) : NO_SUCH_OVERLOAD;
  if (a instanceof Timestamp) return b instanceof Timestamp ? compareTimestamps(a, b) : NO_SUCH_OVERLOAD;
  if (a instanceof Duration) return b instanceof Duration ? compareInts(a.nanos, b.nanos) : NO_SUCH_OVERLOAD;
  if (a instanceof Uint8Array) return b instanceof Uint8Array ? compareBytes(a, b) : NO_SUCH_OVERLOAD;
  return NO_SUCH_OVERLOAD;
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}
