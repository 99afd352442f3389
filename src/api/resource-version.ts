/** Resource versions: opaque to clients, decimal and comparable to us, of any length (KEP-5504, security J-03). */
import { badRequest } from "./status.ts";

const WELL_FORMED = /^[1-9][0-9]*$/;

/** A version of a live object: decimal, no leading zero, not "0". */
export function isResourceVersion(text: string): boolean {
  return WELL_FORMED.test(text);
}

/** Negative, zero or positive; undefined when either is not well-formed. */
export function compareResourceVersions(a: string, b: string): number | undefined {
  if (!isResourceVersion(a) || !isResourceVersion(b)) return undefined;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The resourceVersion parameter of a read: undefined for none, otherwise a revision (0 means any). Throws 400 with upstream's text for anything but a
 * uint64; one beyond 2^53 becomes Infinity, since no revision of ours can be that large.
 */
export function parseResourceVersion(text: string): number | undefined {
  if (text === "") return undefined;
  if (!/^[0-9]+$/.test(text)) {
    throw badRequest(
      `Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  }
  const value = BigInt(text.length > 40 ? `1${"0".repeat(40)}` : text);
  if (value > 18446744073709551615n) {
    throw badRequest(`Invalid value: "${text}": strconv.ParseUint: parsing "${text}": value out of range`);
  }
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
}
