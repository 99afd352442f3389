/** Which IP addresses objects may contain, in upstream's words. */
import { isIPv4, isIPv6 } from "node:net";
import { invalidValue } from "../api/field-errors.ts";
import type { FieldError } from "../api/status.ts";

/** 4, 6, or undefined when `text` is no address in plain form. */
export function ipFamily(text: string): 4 | 6 | undefined {
  if (isIPv4(text)) return 4;
  return isIPv6(text) && !text.includes("%") ? 6 : undefined;
}

/** Whether `text` has the form of IPv4 with leading zeros, which programs read in two ways. */
function hasLeadingZeros(text: string): boolean {
  return (
    /^\d{1,4}(\.\d{1,4}){3}$/.test(text) && /(^|\.)0\d/.test(text) && isIPv4(text.replace(/(^|\.)0+(?=\d)/g, "$1"))
  );
}

/** The eight groups of an IPv6 address. `text` must be valid. */
function groups(text: string): number[] {
  const embedded = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const plain = embedded
    ? `${embedded[1]}${(Number(embedded[2]) * 256 + Number(embedded[3])).toString(16)}:${(Number(embedded[4]) * 256 + Number(embedded[5])).toString(16)}`
    : text;
  const [head = "", tail] = plain.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const middle = tail === undefined ? [] : new Array<string>(8 - left.length - right.length).fill("0");
  return [...left, ...middle, ...right].map((group) => Number.parseInt(group, 16));
}

/** The one spelling of an IPv6 address (RFC 5952). `text` must be valid. */
export function canonicalIPv6(text: string): string {
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

/** An address as fields from before strict checking accept it: no leading zeros, no IPv4 inside IPv6. */
export function validateIP(field: string, text: string): FieldError[] {
  const family = ipFamily(text);
  if (family === undefined) {
    const detail = hasLeadingZeros(text)
      ? "must not have leading 0s"
      : "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
    return [invalidValue(field, text, detail)];
  }
  if (family === 6 && isMapped(text)) return [invalidValue(field, text, "must not be an IPv4-mapped IPv6 address")];
  return [];
}

/** An address in its one spelling. */
export function validateCanonicalIP(field: string, text: string): FieldError[] {
  const errors = validateIP(field, text);
  if (errors.length > 0 || ipFamily(text) !== 6) return errors;
  const canonical = canonicalIPv6(text);
  return canonical === text ? [] : [invalidValue(field, text, `must be in canonical form ("${canonical}")`)];
}

function isMapped(text: string): boolean {
  const parts = groups(text);
  return parts.slice(0, 5).every((group) => group === 0) && parts[5] === 0xffff;
}

/** An address traffic may be sent to: not unspecified, loopback (unless allowed: a cluster on one machine) or link-local. */
export function validateEndpointIP(field: string, text: string, allowLoopback = false): FieldError[] {
  const family = ipFamily(text);
  // Leading zeros are another rule's business.
  if (family === undefined)
    return hasLeadingZeros(text) ? [] : [invalidValue(field, text, "must be a valid IP address")];
  const details: string[] = [];
  const [first = 0, second = 0, third = 0] = family === 4 ? text.split(".").map(Number) : groups(text);
  const zero = family === 4 ? text === "0.0.0.0" : groups(text).every((group) => group === 0);
  if (zero) details.push(`may not be unspecified (${text})`);
  if (!allowLoopback && (family === 4 ? first === 127 : canonicalIPv6(text) === "::1")) {
    details.push("may not be in the loopback range (127.0.0.0/8, ::1/128)");
  }
  if (family === 4 ? first === 169 && second === 254 : (first & 0xffc0) === 0xfe80) {
    details.push("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  }
  if (family === 4 ? first === 224 && second === 0 && third === 0 : (first & 0xff0f) === 0xff02) {
    details.push("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
  }
  return details.map((detail) => invalidValue(field, text, detail));
}

/** `10.0.0.1:80`, `[::1]:80`. */
export function joinHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
