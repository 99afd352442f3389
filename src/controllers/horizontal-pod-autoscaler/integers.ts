/**
 * Go's integers where a calculation may leave them. Conversions of floats that do not fit saturate, as Go's do on arm64; on amd64 they give
 * the smallest integer, which would scale a busy workload down to its minimum.
 */

export const INT32_MAX = 2147483647;
const INT32_MIN = -2147483648;
export const INT64_MAX = 9223372036854775807n;
const INT64_MIN = -9223372036854775808n;

/** A double as int32, cut towards zero; NaN is 0. */
export function toInt32(value: number): number {
  if (value >= INT32_MAX) return INT32_MAX;
  if (value <= INT32_MIN) return INT32_MIN;
  return Math.trunc(value) | 0;
}

/** A double as int64, cut towards zero; what came of a division by zero is 0. */
export function toInt64(value: number): bigint {
  if (!Number.isFinite(value)) return 0n;
  if (value >= 2 ** 63) return INT64_MAX;
  if (value <= -(2 ** 63)) return INT64_MIN;
  return BigInt(Math.trunc(value));
}

/** The low 64 bits: what Go's arithmetic keeps. */
export function wrap64(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

/** The low 32 bits of an int64, as a number. */
export function wrap32(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

/** The nearest int64. */
export function clamp64(value: bigint): bigint {
  return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : value;
}
