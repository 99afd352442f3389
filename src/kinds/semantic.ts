/** Equality and copies of decoded values as Go's semantic equality sees them: what is empty equals what is absent. */
import { type FieldError, invalidValue } from "../api/field-errors.ts";

type Plain = Record<string, unknown>;

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value).every((key) => isEmpty((value as Plain)[key]));
}

/** Whether two decoded values mean the same; key order never matters. Quantities are canonical after decoding. */
export function semanticEqual(left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) {
    return isEmpty(left) && isEmpty(right);
  }
  if (left instanceof Uint8Array && right instanceof Uint8Array) {
    return left.length === right.length && left.every((byte, index) => byte === right[index]);
  }
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right)) return isEmpty(left) && isEmpty(right);
    return left.length === right.length && left.every((item, index) => semanticEqual(item, right[index]));
  }
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  for (const key of keys) {
    if (!semanticEqual(own(left as Plain, key), own(right as Plain, key))) return false;
  }
  return true;
}

function own(value: Plain, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

/** A copy that shares nothing with `value`; prototypes of objects are kept. */
export function deepCopy<V>(value: V): V {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(deepCopy) as V;
  if (value instanceof Uint8Array) return value.slice() as V;
  const copy = Object.create(Object.getPrototypeOf(value)) as Plain;
  for (const key of Object.keys(value)) {
    // defineProperty: a key named __proto__ stays a key.
    Object.defineProperty(copy, key, {
      value: deepCopy((value as Plain)[key]),
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return copy as V;
}

/** An error when a field that may not change has changed. */
export function immutable(field: string, value: unknown, old: unknown): FieldError[] {
  return semanticEqual(value, old) ? [] : [invalidValue(field, value, "field is immutable")];
}
