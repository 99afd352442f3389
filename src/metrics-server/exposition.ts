/**
 * Reads the Prometheus text format 0.0.4 from bytes, line by line, without making a string of anything a caller does not ask for.
 * Strict, as upstream is: one malformed line condemns the whole body (spec: metrics 2.3).
 */

/** A body that is not the text format; `line` counts from 1. */
export class ExpositionError extends Error {
  readonly line: number;

  constructor(line: number, what: string) {
    super(`line ${line}: ${what}`);
    this.name = "ExpositionError";
    this.line = line;
  }
}

/** One sample. The ranges index the body: labels exclude the braces; an absent label block is an empty range. */
export interface SampleVisitor {
  /** Whether the samples of this family are wanted; asked once for each run of lines with the same name. */
  wants(body: Uint8Array, start: number, end: number): boolean;
  /** `timestamp` in milliseconds, NaN when the line has none. */
  sample(body: Uint8Array, labelsStart: number, labelsEnd: number, value: number, timestamp: number): void;
}

const NEWLINE = 10;
const SPACE = 32;
const TAB = 9;
const HASH = 35;
const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const EQUALS = 61;
const OPEN = 123;
const CLOSE = 125;
const MINUS = 45;
const PLUS = 43;
const DOT = 46;

const NAME_START = new Uint8Array(256);
const NAME_PART = new Uint8Array(256);
for (const character of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:") {
  NAME_START[character.charCodeAt(0)] = 1;
  NAME_PART[character.charCodeAt(0)] = 1;
}
for (const digit of "0123456789") NAME_PART[digit.charCodeAt(0)] = 1;

const POWERS = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/** Visits all samples of `body`. Throws ExpositionError; what was visited before the bad line must then be thrown away. */
export function readExposition(body: Uint8Array, visitor: SampleVisitor): void {
  const length = body.length;
  let at = 0;
  let line = 0;
  let lastName = -1;
  let lastNameLength = 0;
  let wanted = false;

  while (at < length) {
    line++;
    while (at < length && (body[at] === SPACE || body[at] === TAB)) at++;
    if (at >= length) break;
    const first = body[at]!;
    if (first === NEWLINE) {
      at++;
      continue;
    }
    if (first === HASH) {
      const end = body.indexOf(NEWLINE, at);
      if (end < 0) throw new ExpositionError(line, "the last line does not end");
      at = end + 1;
      continue;
    }
    const nameStart = at;
    if (NAME_START[first] !== 1) throw new ExpositionError(line, "a metric name must start with a letter, _ or :");
    at++;
    while (at < length && NAME_PART[body[at]!] === 1) at++;
    const nameLength = at - nameStart;
    if (!sameBytes(body, lastName, lastNameLength, nameStart, nameLength)) {
      wanted = visitor.wants(body, nameStart, at);
      lastName = nameStart;
      lastNameLength = nameLength;
    }
    while (at < length && (body[at] === SPACE || body[at] === TAB)) at++;

    let labelsStart = at;
    let labelsEnd = at;
    if (body[at] === OPEN) {
      labelsStart = at + 1;
      labelsEnd = endOfLabels(body, labelsStart, line);
      at = labelsEnd + 1;
    }
    while (at < length && (body[at] === SPACE || body[at] === TAB)) at++;

    const valueStart = at;
    while (at < length && body[at]! > SPACE) at++;
    const value = parseValue(body, valueStart, at);
    if (value === undefined)
      throw new ExpositionError(line, `expected float as value, got "${text(body, valueStart, at)}"`);
    while (at < length && (body[at] === SPACE || body[at] === TAB)) at++;

    let timestamp = Number.NaN;
    if (at < length && body[at] !== NEWLINE) {
      const start = at;
      while (at < length && body[at]! > SPACE) at++;
      timestamp = parseTimestamp(body, start, at);
      if (Number.isNaN(timestamp)) {
        throw new ExpositionError(line, `expected a timestamp in whole milliseconds, got "${text(body, start, at)}"`);
      }
      while (at < length && (body[at] === SPACE || body[at] === TAB)) at++;
    }
    if (at >= length) throw new ExpositionError(line, "the last line does not end");
    if (body[at] !== NEWLINE)
      throw new ExpositionError(line, `unexpected "${text(body, at, at + 20)}" behind the sample`);
    at++;
    if (wanted) visitor.sample(body, labelsStart, labelsEnd, value, timestamp);
  }
}

function sameBytes(body: Uint8Array, a: number, aLength: number, b: number, bLength: number): boolean {
  if (a < 0 || aLength !== bLength) return false;
  for (let index = aLength - 1; index >= 0; index--) if (body[a + index] !== body[b + index]) return false;
  return true;
}

function text(body: Uint8Array, start: number, end: number): string {
  return new TextDecoder().decode(body.subarray(start, Math.min(end, start + 80)));
}

/** The index of the closing brace. Checks `name="value"` pairs, commas and escapes on the way. */
function endOfLabels(body: Uint8Array, start: number, line: number): number {
  const length = body.length;
  let at = start;
  for (;;) {
    while (at < length && (body[at] === SPACE || body[at] === TAB)) at++;
    if (body[at] === CLOSE) return at;
    if (at >= length || NAME_START[body[at]!] !== 1) throw new ExpositionError(line, "expected a label name or }");
    while (at < length && NAME_PART[body[at]!] === 1) at++;
    while (at < length && body[at] === SPACE) at++;
    if (body[at] !== EQUALS) throw new ExpositionError(line, "expected = behind a label name");
    at++;
    while (at < length && body[at] === SPACE) at++;
    if (body[at] !== QUOTE) throw new ExpositionError(line, "expected a quoted label value");
    at++;
    while (at < length && body[at] !== QUOTE) {
      if (body[at] === NEWLINE) throw new ExpositionError(line, "a label value does not end");
      at += body[at] === BACKSLASH ? 2 : 1;
    }
    if (at >= length) throw new ExpositionError(line, "a label value does not end");
    at++;
    while (at < length && (body[at] === SPACE || body[at] === TAB)) at++;
    if (body[at] === COMMA) at++;
    else if (body[at] !== CLOSE) throw new ExpositionError(line, "expected , or } behind a label value");
  }
}

/**
 * The exact double of a number as Go prints it. Up to 15 significant digits and a power of ten up to 22 multiply or divide
 * two exact doubles, which rounds once and so is exact; everything else goes through `Number`.
 */
function parseValue(body: Uint8Array, start: number, end: number): number | undefined {
  let at = start;
  let negative = false;
  if (body[at] === MINUS || body[at] === PLUS) {
    negative = body[at] === MINUS;
    at++;
  }
  let mantissa = 0;
  let digits = 0;
  let scale = 0;
  let seen = false;
  for (; at < end; at++) {
    const digit = body[at]! - 48;
    if (digit < 0 || digit > 9) break;
    seen = true;
    if (mantissa !== 0 || digit !== 0) digits++;
    mantissa = mantissa * 10 + digit;
  }
  if (at < end && body[at] === DOT) {
    at++;
    for (; at < end; at++) {
      const digit = body[at]! - 48;
      if (digit < 0 || digit > 9) break;
      seen = true;
      if (mantissa !== 0 || digit !== 0) digits++;
      mantissa = mantissa * 10 + digit;
      scale--;
    }
  }
  if (!seen) return special(body, start, end);
  if (at < end && (body[at]! | 32) === 101) {
    at++;
    let sign = 1;
    if (body[at] === MINUS || body[at] === PLUS) {
      sign = body[at] === MINUS ? -1 : 1;
      at++;
    }
    let exponent = 0;
    const exponentStart = at;
    for (; at < end && exponent < 10_000; at++) {
      const digit = body[at]! - 48;
      if (digit < 0 || digit > 9) break;
      exponent = exponent * 10 + digit;
    }
    if (at === exponentStart) return undefined;
    scale += sign * exponent;
  }
  if (at !== end) return undefined;
  if (digits > 15 || scale > 22 || scale < -22) return Number(text(body, start, end));
  const magnitude = scale >= 0 ? mantissa * POWERS[scale]! : mantissa / POWERS[-scale]!;
  return negative ? -magnitude : magnitude;
}

function special(body: Uint8Array, start: number, end: number): number | undefined {
  switch (text(body, start, end).toLowerCase()) {
    case "nan":
      return Number.NaN;
    case "inf":
    case "+inf":
      return Number.POSITIVE_INFINITY;
    case "-inf":
      return Number.NEGATIVE_INFINITY;
    default:
      return undefined;
  }
}

/** Whole milliseconds, never negative; NaN otherwise. */
function parseTimestamp(body: Uint8Array, start: number, end: number): number {
  if (start === end || end - start > 16) return Number.NaN;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = body[at]! - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}
