/** JSON as CEL values, read when it is asked for, as its schema says: nothing is converted beforehand. */
import { equalJSON, isObject } from "../../../api/json/object.ts";
import type { JSONObject, JSONValue } from "../../../api/meta.ts";
import { CelError, NO_SUCH_OVERLOAD } from "../values/errors.ts";
import { ListValue, type Merge } from "../values/list.ts";
import { MapValue } from "../values/map.ts";
import { Double, INT_MAX, INT_MIN } from "../values/numbers.ts";
import { Duration, daysIn, parseDuration, parseTimestamp, Timestamp, utcSeconds } from "../values/time.ts";
import { Opaque, type Value } from "../values/value.ts";
import { isKeyword } from "./escape.ts";

/** Never throws: what the schema does not allow is an error value. */
export type Read = (raw: unknown) => Value;

export interface Property {
  /** As JSON has it. */
  readonly name: string;
  readonly read: Read;
  /** No object inherits anything by that name. */
  readonly plain: boolean;
}

/** Properties by their names in expressions. */
export type Shape = ReadonlyMap<string, Property>;

/** An object with declared properties; others cannot be seen. */
export class ObjectView extends MapValue {
  readonly raw: JSONObject;
  readonly shape: Shape;

  constructor(raw: JSONObject, shape: Shape) {
    super();
    this.raw = raw;
    this.shape = shape;
  }

  get size(): number {
    return Object.keys(this.raw).length;
  }

  find(key: Value): Value | undefined {
    if (typeof key !== "string") return NO_SUCH_OVERLOAD;
    const property = this.shape.get(key);
    return property === undefined ? undefined : this.read(property);
  }

  /** A property that is null is not there. */
  read(property: Property): Value | undefined {
    const { raw } = this;
    const value = property.plain || Object.hasOwn(raw, property.name) ? raw[property.name] : undefined;
    return value === undefined || value === null ? undefined : property.read(value);
  }

  *keys(): Iterable<Value> {
    for (const [key, property] of this.shape) if (!isKeyword(key) && this.read(property) !== undefined) yield key;
  }
}

/** An object whose values are all alike. */
export class MapView extends MapValue {
  readonly raw: JSONObject;
  readonly #read: Read;

  constructor(raw: JSONObject, read: Read) {
    super();
    this.raw = raw;
    this.#read = read;
  }

  get size(): number {
    return Object.keys(this.raw).length;
  }

  find(key: Value): Value | undefined {
    if (typeof key !== "string") return NO_SUCH_OVERLOAD;
    return Object.hasOwn(this.raw, key) ? this.#read(this.raw[key]) : undefined;
  }

  keys(): Iterable<Value> {
    return Object.keys(this.raw);
  }
}

/** A value no schema describes; it can only be compared. */
class Unknown extends Opaque {
  readonly typeName = "unknown";
  readonly raw: JSONValue;
  constructor(raw: JSONValue) {
    super();
    this.raw = raw;
  }
  equals(other: Opaque): boolean {
    return other instanceof Unknown && equalJSON(this.raw, other.raw);
  }
}

export const readUnknown: Read = (raw) => new Unknown(raw as JSONValue);

const NULL = new CelError("invalid data, got null for schema with nullable=false");

/** What null is. */
export function nullable(read: Read, allowed: boolean): Read {
  return allowed ? (raw) => (raw === null ? null : read(raw)) : (raw) => (raw === null ? NULL : read(raw));
}

const invalid = (text: string): CelError => new CelError(`invalid data, expected ${text}`);
const NO_OBJECT = invalid("a map for the provided schema with type=object");
const NO_ARRAY = invalid("an array for the provided schema with type=array");
const NO_INT_OR_STRING = invalid("XIntOrString value to be either a string or integer");

/** `shape` is made when the first object is read. */
export function readObject(shape: () => Shape): Read {
  let known: Shape | undefined;
  return (raw) => {
    if (!isObject(raw)) return NO_OBJECT;
    known ??= shape();
    return new ObjectView(raw, known);
  };
}

export const readMap =
  (read: Read): Read =>
  (raw) =>
    isObject(raw) ? new MapView(raw, read) : NO_OBJECT;

export const readList =
  (read: Read, merge: Merge | undefined): Read =>
  (raw) =>
    Array.isArray(raw) ? new ListValue(raw, read, merge) : NO_ARRAY;

function isInt(raw: unknown): raw is number | bigint {
  return typeof raw === "bigint" ? raw >= INT_MIN && raw <= INT_MAX : Number.isSafeInteger(raw);
}

export const readIntOrString: Read = (raw) => (typeof raw === "string" || isInt(raw) ? raw : NO_INT_OR_STRING);
export const readInt: Read = (raw) => (isInt(raw) ? raw : invalid(`int, got ${goType(raw)}`));
export const readBool: Read = (raw) => (typeof raw === "boolean" ? raw : invalid(`bool, got ${goType(raw)}`));
export const readString: Read = (raw) => (typeof raw === "string" ? raw : invalid(`string, got ${goType(raw)}`));
export const readDouble: Read = (raw) =>
  typeof raw === "number" || typeof raw === "bigint" ? new Double(Number(raw)) : invalid(`float, got ${goType(raw)}`);

/** Strings in a format that has a type of its own. */
const formatted =
  (parse: (text: string) => Value | undefined, what: string, why?: (text: string) => string): Read =>
  (raw) => {
    if (typeof raw !== "string") return readString(raw);
    const value = parse(raw);
    return value === undefined || value instanceof CelError
      ? new CelError(`Invalid ${what} ${raw}${why === undefined ? "" : `: ${why(raw)}`}`)
      : value;
  };

export const readTimestamp = formatted(parseDateTime, "date-time formatted string");
export const readDate = formatted(parseDate, "date formatted string");
export const readDuration = formatted(
  (text) => parseDuration(text) ?? parseWordyDuration(text),
  "duration",
  (text) => `unable to parse ${text} as duration`,
);
export const readBytes = formatted(parseBase64, "byte formatted string");

/** RFC 3339, and with a blank zone, or none. */
function parseDateTime(text: string): Value | undefined {
  if (text === "") return new Timestamp(0, 0);
  return (
    parseTimestamp(text) ?? parseTimestamp(text.replace(/([+-]\d\d)(\d\d)$/, "$1:$2")) ?? parseTimestamp(`${text}Z`)
  );
}

function parseDate(text: string): Value | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (match === null) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  return new Timestamp(utcSeconds(year, month, day), 0);
}

const WORDS: [RegExp, bigint][] = [
  [/^(ns|nanos?|nanoseconds?)$/, 1n],
  [/^(us|µs|micros?|microseconds?)$/, 1_000n],
  [/^(ms|millis?|milliseconds?)$/, 1_000_000n],
  [/^(s|secs?|seconds?)$/, 1_000_000_000n],
  [/^(m|mins?|minutes?)$/, 60_000_000_000n],
  [/^(h|hrs?|hours?)$/, 3_600_000_000_000n],
  [/^(d|days?)$/, 86_400_000_000_000n],
  [/^(w|wks?|weeks?)$/, 604_800_000_000_000n],
];

/** `2 days`, `1w`: what the format takes beside Go's durations. */
function parseWordyDuration(text: string): Value | undefined {
  if (text.length > 100) return undefined;
  let total = 0n;
  let found = false;
  for (const match of text.matchAll(/(\d{1,9})\s*([A-Za-zµ]+)/g)) {
    const unit = WORDS.find(([pattern]) => pattern.test(match[2]!.toLowerCase()));
    if (unit === undefined) continue;
    found = true;
    total += BigInt(match[1]!) * unit[1];
  }
  if (!found) return undefined;
  const parsed = parseDuration(`${total}ns`);
  return parsed instanceof Duration ? parsed : undefined;
}

function parseBase64(text: string): Value | undefined {
  const plain = text.replace(/[\r\n]/g, "");
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(plain)) return undefined;
  return new Uint8Array(Buffer.from(plain, "base64"));
}

/** What Go calls the type of a JSON value. */
function goType(raw: unknown): string {
  switch (typeof raw) {
    case "number":
      return Number.isInteger(raw) ? "int64" : "float64";
    case "boolean":
      return "bool";
    case "object":
      return Array.isArray(raw) ? "[]interface {}" : "map[string]interface {}";
    default:
      return typeof raw;
  }
}
