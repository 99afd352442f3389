/** What operators do with values of any type; the types decide at run time where the checker could not. */
import { compare, equal } from "../values/compare.ts";
import { CelError, NO_SUCH_OVERLOAD, noSuchFunction } from "../values/errors.ts";
import { concat, ListValue } from "../values/list.ts";
import { MapValue } from "../values/map.ts";
import {
  addInt,
  DIVISION_BY_ZERO,
  Double,
  divideInt,
  integer,
  MODULUS_BY_ZERO,
  moduloInt,
  multiplyInt,
  negateInt,
  subtractInt,
  Uint,
  uint64,
} from "../values/numbers.ts";
import {
  addDurations,
  between,
  Duration,
  negateDuration,
  shift,
  subtractDurations,
  Timestamp,
} from "../values/time.ts";
import type { Value } from "../values/value.ts";

type Binary = (a: Value, b: Value) => Value;

const isInt = (value: Value): value is number | bigint => typeof value === "number" || typeof value === "bigint";

/** Types an operator is not for at all say so by its name. */
function unsupported(operator: string): Value {
  return noSuchFunction(operator);
}

export const add: Binary = (a, b) => {
  if (isInt(a)) return isInt(b) ? addInt(a, b) : NO_SUCH_OVERLOAD;
  if (typeof a === "string") return typeof b === "string" ? a + b : NO_SUCH_OVERLOAD;
  if (a instanceof ListValue) return b instanceof ListValue ? concat(a, b) : NO_SUCH_OVERLOAD;
  if (a instanceof Double) return b instanceof Double ? new Double(a.value + b.value) : NO_SUCH_OVERLOAD;
  if (a instanceof Uint) return b instanceof Uint ? uint64(BigInt(a.value) + BigInt(b.value)) : NO_SUCH_OVERLOAD;
  if (a instanceof Timestamp) return b instanceof Duration ? shift(a, b, 1) : NO_SUCH_OVERLOAD;
  if (a instanceof Duration) {
    if (b instanceof Duration) return addDurations(a, b);
    return b instanceof Timestamp ? shift(b, a, 1) : NO_SUCH_OVERLOAD;
  }
  if (a instanceof Uint8Array) {
    if (!(b instanceof Uint8Array)) return NO_SUCH_OVERLOAD;
    const joined = new Uint8Array(a.length + b.length);
    joined.set(a);
    joined.set(b, a.length);
    return joined;
  }
  return unsupported("_+_");
};

export const subtract: Binary = (a, b) => {
  if (isInt(a)) return isInt(b) ? subtractInt(a, b) : NO_SUCH_OVERLOAD;
  if (a instanceof Double) return b instanceof Double ? new Double(a.value - b.value) : NO_SUCH_OVERLOAD;
  if (a instanceof Uint) return b instanceof Uint ? uint64(BigInt(a.value) - BigInt(b.value)) : NO_SUCH_OVERLOAD;
  if (a instanceof Timestamp) {
    if (b instanceof Timestamp) return between(a, b);
    return b instanceof Duration ? shift(a, b, -1) : NO_SUCH_OVERLOAD;
  }
  if (a instanceof Duration) return b instanceof Duration ? subtractDurations(a, b) : NO_SUCH_OVERLOAD;
  return unsupported("_-_");
};

export const multiply: Binary = (a, b) => {
  if (isInt(a)) return isInt(b) ? multiplyInt(a, b) : NO_SUCH_OVERLOAD;
  if (a instanceof Double) return b instanceof Double ? new Double(a.value * b.value) : NO_SUCH_OVERLOAD;
  if (a instanceof Uint) return b instanceof Uint ? uint64(BigInt(a.value) * BigInt(b.value)) : NO_SUCH_OVERLOAD;
  return unsupported("_*_");
};

export const divide: Binary = (a, b) => {
  if (isInt(a)) return isInt(b) ? divideInt(a, b) : NO_SUCH_OVERLOAD;
  if (a instanceof Double) return b instanceof Double ? new Double(a.value / b.value) : NO_SUCH_OVERLOAD;
  if (a instanceof Uint) {
    if (!(b instanceof Uint)) return NO_SUCH_OVERLOAD;
    return b.value === 0 ? DIVISION_BY_ZERO : new Uint(integer(BigInt(a.value) / BigInt(b.value)));
  }
  return unsupported("_/_");
};

export const modulo: Binary = (a, b) => {
  if (isInt(a)) return isInt(b) ? moduloInt(a, b) : NO_SUCH_OVERLOAD;
  if (a instanceof Uint) {
    if (!(b instanceof Uint)) return NO_SUCH_OVERLOAD;
    return b.value === 0 ? MODULUS_BY_ZERO : new Uint(integer(BigInt(a.value) % BigInt(b.value)));
  }
  return unsupported("_%_");
};

export function negate(a: Value): Value {
  if (isInt(a)) return negateInt(a);
  if (a instanceof Double) return new Double(-a.value);
  if (a instanceof Duration) return negateDuration(a);
  return typeof a === "boolean" || typeof a === "string" || a instanceof Timestamp
    ? NO_SUCH_OVERLOAD
    : unsupported("-_");
}

const ordered =
  (operator: string, holds: (order: number) => boolean): Binary =>
  (a, b) => {
    const order = compare(a, b);
    if (typeof order === "number") return holds(order);
    return order === NO_SUCH_OVERLOAD && !isComparable(a) ? unsupported(operator) : order;
  };

function isComparable(value: Value): boolean {
  return value !== null && !(value instanceof ListValue || value instanceof MapValue);
}

export const less = ordered("_<_", (order) => order < 0);
export const lessEquals = ordered("_<=_", (order) => order <= 0);
export const greater = ordered("_>_", (order) => order > 0);
export const greaterEquals = ordered("_>=_", (order) => order >= 0);

export function notEqual(a: Value, b: Value): Value {
  return equal(a, b) !== true;
}

/** `element in container`. */
export function contains(element: Value, container: Value): Value {
  if (container instanceof MapValue) {
    const found = container.find(element);
    return found instanceof CelError ? found : found !== undefined;
  }
  if (!(container instanceof ListValue)) return NO_SUCH_OVERLOAD;
  let failed: CelError | undefined;
  for (let i = 0; i < container.size; i++) {
    const same = equal(container.get(i), element);
    if (same === true) return true;
    if (same !== false && container.read !== undefined) failed ??= NO_SUCH_OVERLOAD;
  }
  return failed ?? false;
}
