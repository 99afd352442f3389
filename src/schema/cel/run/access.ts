/** Fields and elements: `a.b`, `a[b]`, `has(a.b)` and their optional forms. */
import { CelError, indexOutOfBounds, noSuchKey } from "../values/errors.ts";
import { ListValue } from "../values/list.ts";
import { MapValue, printKey } from "../values/map.ts";
import { Double, Uint } from "../values/numbers.ts";
import { NONE, Optional, typeOfValue, type Value } from "../values/value.ts";

/** `target[key]`; what is missing is an error. An optional target gives an optional. */
export function access(target: Value, key: Value): Value {
  if (target instanceof MapValue) return found(target.find(key), key);
  if (target instanceof ListValue) {
    const index = indexOf(key);
    if (index instanceof CelError) return index;
    return index >= 0 && index < target.size ? target.get(index) : indexOutOfBounds(printKey(key));
  }
  if (target instanceof Optional) return accessOptional(target, key);
  return target instanceof CelError ? target : noSuchKey(printKey(key));
}

/** Null is a value like any other. */
function found(value: Value | undefined, key: Value): Value {
  return value === undefined ? noSuchKey(printKey(key)) : value;
}

/** `target[?key]`: what is missing is `optional.none()`. */
export function accessOptional(target: Value, key: Value): Value {
  if (target instanceof Optional) return target.value === undefined ? NONE : accessOptional(target.value, key);
  const found = find(target, key);
  if (found === undefined) return NONE;
  return found instanceof CelError ? found : new Optional(found);
}

/** `has(target.field)`. */
export function has(target: Value, field: string): Value {
  if (target instanceof Optional) return target.value === undefined ? false : has(target.value, field);
  if (target instanceof CelError) return target;
  if (target instanceof ListValue) return indexOf(field) as CelError;
  if (!(target instanceof MapValue)) return false;
  const found = target.find(field);
  return found !== undefined;
}

/** Undefined: missing. */
function find(target: Value, key: Value): Value | undefined {
  if (target instanceof MapValue) return target.find(key);
  if (target instanceof ListValue) {
    const index = indexOf(key);
    if (index instanceof CelError) return index;
    return index >= 0 && index < target.size ? target.get(index) : undefined;
  }
  return target instanceof CelError ? target : undefined;
}

/** Numbers of any type that are whole may index a list. */
function indexOf(key: Value): number | CelError {
  if (typeof key === "number") return key;
  if (typeof key === "bigint") return Number(key);
  if (key instanceof Uint) return Number(key.value);
  if (key instanceof Double) {
    if (Number.isSafeInteger(key.value)) return key.value;
    return new CelError(`unsupported index value ${key.value} in list`);
  }
  return new CelError(`unsupported index type '${typeOfValue(key).name}' in list`);
}
