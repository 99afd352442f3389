/** The formats of strings that custom resources are held to, as Go's strfmt registry checks them (spec: apiserver 8.2). Unknown formats say nothing. */
import { cidr, ipv4, ipv6, mac } from "./formats-net.ts";
import { email, requestURI } from "./formats-uri.ts";
import type { SchemaType } from "./types.ts";

type Check = (text: string) => boolean;

const INT64_MAX = 2 ** 63;

const CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ["bsonobjectid", (text) => /^[0-9a-fA-F]{24}$/.test(text)],
  ["uri", requestURI],
  ["email", email],
  ["hostname", hostname],
  ["ipv4", ipv4],
  ["ipv6", ipv6],
  ["cidr", cidr],
  ["mac", mac],
  ["uuid", (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text)],
  ["uuid3", (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text)],
  ["uuid4", (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i.test(text)],
  ["uuid5", (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i.test(text)],
  ["isbn", (text) => isbn10(text) || isbn13(text)],
  ["isbn10", isbn10],
  ["isbn13", isbn13],
  ["creditcard", creditCard],
  ["ssn", (text) => text.length === 11 && /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text)],
  ["hexcolor", (text) => /^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/.test(text)],
  ["rgbcolor", rgbColor],
  ["byte", (text) => text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)],
  ["password", () => true],
  ["date", date],
  ["duration", duration],
  ["datetime", dateTime],
  ["k8sshortname", (text) => text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text)],
  ["k8slongname", longName],
]);

function normalized(format: string): string {
  return format.replaceAll("-", "");
}

/** The format, when the type knows it; "" otherwise. */
export function supportedFormat(format: string | undefined, types: readonly SchemaType[]): string {
  if (format === undefined || format === "") return "";
  const type = types.length === 1 ? types[0] : "string";
  switch (type) {
    case "string":
      return CHECKS.has(normalized(format)) ? format : "";
    case "integer":
      return format === "int32" || format === "int64" ? format : "";
    case "number":
      return format === "float" || format === "double" ? format : "";
    default:
      return "";
  }
}

/** Whether `text` has the format; true for formats of numbers. */
export function hasFormat(format: string, text: string): boolean {
  return CHECKS.get(normalized(format))?.(text) ?? true;
}

/** One label of any length up to 64, or labels with dots whose last has only letters. */
function hostname(text: string): boolean {
  const labels = text.split(".");
  if (labels.length === 1) {
    return /^[a-zA-Z0-9\p{S}\p{L}](-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?$/u.test(text) && fitsHostname(text);
  }
  const last = labels.pop()!;
  if (!/^[a-zA-Z\p{L}]{2,63}$/u.test(last)) return false;
  const middle = /^[a-zA-Z0-9\p{S}\p{L}]([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?$/u;
  return labels.every((label) => middle.test(label)) && fitsHostname(text);
}

/** Go counts bytes. */
function fitsHostname(text: string): boolean {
  if (text.length > 255) return false;
  const bytes = new TextEncoder();
  return bytes.encode(text).length <= 255 && text.split(".").every((label) => bytes.encode(label).length <= 63);
}

/** Every label is matched by itself: one expression for all would try many ways. */
function longName(text: string): boolean {
  return text.length <= 253 && text.split(".").every((label) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(label));
}

function isbn10(text: string): boolean {
  const digits = text.replaceAll(/[\t\n\f\r -]+/g, "");
  if (!/^(?:[0-9]{9}X|[0-9]{10})$/.test(digits)) return false;
  let sum = 0;
  for (let index = 0; index < 9; index++) sum += (index + 1) * Number(digits[index]);
  sum += 10 * (digits[9] === "X" ? 10 : Number(digits[9]));
  return sum % 11 === 0;
}

function isbn13(text: string): boolean {
  const digits = text.replaceAll(/[\t\n\f\r -]+/g, "");
  if (!/^[0-9]{13}$/.test(digits)) return false;
  let sum = 0;
  for (let index = 0; index < 12; index++) sum += (index % 2 === 0 ? 1 : 3) * Number(digits[index]);
  return Number(digits[12]) === (10 - (sum % 10)) % 10;
}

const CARD =
  /^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$/;

function creditCard(text: string): boolean {
  const digits = text.replaceAll(/[^0-9]+/g, "");
  if (!CARD.test(digits)) return false;
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    let digit = Number(digits[digits.length - 1 - index]);
    if (index % 2 === 1) digit = digit >= 5 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 === 0;
}

function rgbColor(text: string): boolean {
  const match = /^rgb\(([^)]*)\)$/.exec(text);
  const parts = match?.[1]?.split(",") ?? [];
  // 1\d\d? and not 1\d\d: upstream's expression.
  return (
    parts.length === 3 &&
    parts.every((part) =>
      /^(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])$/.test(part.replaceAll(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, "")),
    )
  );
}

function date(text: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (match === null) return false;
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  if (month < 1 || month > 12 || day < 1) return false;
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
  return day <= days;
}

function dateTime(text: string): boolean {
  if (text.length < 4) return false;
  const [day, time] = text.toLowerCase().split("t", 2);
  if (time === undefined || !date(day!)) return false;
  // The dot before fractions is any character: upstream's expression.
  const match = /^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$/u.exec(time);
  return match !== null && match[1]! <= "23" && match[2]! <= "59" && match[3]! <= "59";
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ["ns", 1],
  ["us", 1e3],
  ["µs", 1e3],
  ["μs", 1e3],
  ["ms", 1e6],
  ["s", 1e9],
  ["m", 60e9],
  ["h", 3600e9],
]);
const WORDS = ["ns", "us", "µs", "ms", "s", "m", "h", "d", "w", "hr", "wk"];
const STEMS = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week"];

/** What time.ParseDuration reads, or numbers with units in words anywhere in the text. */
function duration(text: string): boolean {
  if (goDuration(text)) return true;
  let found = false;
  // Run by run: an expression for all of it would begin anew at every digit.
  for (const { 0: digits, index } of text.matchAll(/\d+/g)) {
    const unit = unitAfter(text, index + digits.length);
    if (unit === "") continue;
    const significant = digits.replace(/^0+/, "");
    if (significant.length > 19 || BigInt(significant) >= 2n ** 63n) return false;
    if (WORDS.includes(unit) || STEMS.some((stem) => unit.startsWith(stem))) found = true;
  }
  return found;
}

/** The letters behind a number, in lower case; words for units are short. */
function unitAfter(text: string, start: number): string {
  let at = start;
  while (at < text.length && "\t\n\f\r ".includes(text[at]!)) at++;
  let end = at;
  while (end < text.length && /[A-Za-zµ]/.test(text[end]!)) end++;
  return text.slice(at, end).toLowerCase();
}

function goDuration(text: string): boolean {
  const rest = text.replace(/^[+-]/, "");
  if (rest === "0") return true;
  if (rest === "") return false;
  const part = /(\d*)(?:\.(\d*))?([^\d.]+)/y;
  let total = 0;
  while (part.lastIndex < rest.length) {
    const match = part.exec(rest);
    if (match === null) return false;
    const [, whole, fraction, unit] = match;
    const size = UNITS.get(unit!);
    if (size === undefined || (whole === "" && !fraction)) return false;
    total += Number(whole) * size;
    if (Number(whole) >= INT64_MAX || total > INT64_MAX) return false;
  }
  return true;
}
