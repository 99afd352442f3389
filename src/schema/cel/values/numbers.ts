/**
 * Integers and doubles. A CEL int is a `number` while it is safe and a `bigint` beyond; unsigned integers and doubles are boxed,
 * so that the three can be told apart at run time. The common case, small ints, costs nothing.
 */
import { CelError } from "./errors.ts";

export const INT_MIN = -(2n ** 63n);
export const INT_MAX = 2n ** 63n - 1n;
export const UINT_MAX = 2n ** 64n - 1n;

export type Int = number | bigint;

const TWO_63 = 2 ** 63;

export class Uint {
  readonly value: Int;
  constructor(value: Int) {
    this.value = value;
  }
}

export class Double {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** The one form an integer has: `number` when it is safe. */
export function integer(value: bigint): Int {
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
}

const INT_OVERFLOW = new CelError("integer overflow");
const UINT_OVERFLOW = new CelError("unsigned integer overflow");
export const DIVISION_BY_ZERO = new CelError("division by zero");
export const MODULUS_BY_ZERO = new CelError("modulus by zero");

/** `value` as an int, or the overflow it is. */
export function int64(value: bigint): Int | CelError {
  return value < INT_MIN || value > INT_MAX ? INT_OVERFLOW : integer(value);
}

export function uint64(value: bigint): Uint | CelError {
  return value < 0n || value > UINT_MAX ? UINT_OVERFLOW : new Uint(integer(value));
}

export function addInt(a: Int, b: Int): Int | CelError {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return int64(BigInt(a) + BigInt(b));
}

export function subtractInt(a: Int, b: Int): Int | CelError {
  if (typeof a === "number" && typeof b === "number") {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return int64(BigInt(a) - BigInt(b));
}

export function multiplyInt(a: Int, b: Int): Int | CelError {
  if (typeof a === "number" && typeof b === "number") {
    const product = a * b;
    // `+ 0` makes no minus zero.
    if (Number.isSafeInteger(product)) return product + 0;
  }
  return int64(BigInt(a) * BigInt(b));
}

export function divideInt(a: Int, b: Int): Int | CelError {
  if (b === 0) return DIVISION_BY_ZERO;
  if (typeof a === "number" && typeof b === "number") return Math.trunc(a / b) + 0;
  return int64(BigInt(a) / BigInt(b));
}

export function moduloInt(a: Int, b: Int): Int | CelError {
  if (b === 0) return MODULUS_BY_ZERO;
  if (typeof a === "number" && typeof b === "number") return (a % b) + 0;
  if (b === -1 && BigInt(a) === INT_MIN) return INT_OVERFLOW;
  return int64(BigInt(a) % BigInt(b));
}

export function negateInt(a: Int): Int | CelError {
  return typeof a === "number" ? 0 - a : int64(-a);
}

/** Cuts towards zero; the bounds themselves are out of range, for a double near them is not exact. */
export function doubleToInt(value: number): Int | CelError {
  if (!(value > -TWO_63 && value < TWO_63)) return INT_OVERFLOW;
  return integer(BigInt(Math.trunc(value)));
}

export function doubleToUint(value: number): Uint | CelError {
  if (!(value >= 0 && value < 2 * TWO_63)) return UINT_OVERFLOW;
  return new Uint(integer(BigInt(Math.trunc(value))));
}

/** -1, 0 or 1. */
export function compareInts(a: Int, b: Int): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
