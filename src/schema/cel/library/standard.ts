/** CEL's own functions: conversions, sizes, times. Operators are declared here and done in ../run/operators.ts. */
import { declare, type Overload } from "../check/declarations.ts";
import { matches } from "../run/regex.ts";
import { CelError } from "../values/errors.ts";
import type { ListValue } from "../values/list.ts";
import type { MapValue } from "../values/map.ts";
import {
  Double,
  doubleToInt,
  doubleToUint,
  INT_MAX,
  INT_MIN,
  type Int,
  integer,
  UINT_MAX,
  Uint,
  uint64,
} from "../values/numbers.ts";
import { codePoints } from "../values/strings.ts";
import {
  type Calendar,
  calendar,
  type Duration,
  formatDuration,
  formatTimestamp,
  parseDuration,
  parseTimestamp,
  type Timestamp,
  timestampOf,
} from "../values/time.ts";
import { TypeValue, typeOfValue, type Value } from "../values/value.ts";
import { formatDouble } from "./text.ts";

/** Operators are not called through their declarations; nobody sees this. */
const operator = (signature: string): Overload => declare(signature, () => new CelError("no such overload"));

const ORDERED = [
  "bool",
  "int",
  "int, double",
  "int, uint",
  "uint",
  "uint, double",
  "uint, int",
  "double",
  "double, int",
  "double, uint",
  "string",
  "bytes",
  "timestamp",
  "duration",
];
const OVERLOAD_NAMES: Record<string, string> = { int: "int64", uint: "uint64" };
const ORDER_NAMES: [string, string][] = [
  ["_<_", "less"],
  ["_<=_", "less_equals"],
  ["_>_", "greater"],
  ["_>=_", "greater_equals"],
];

function comparisons(): Overload[] {
  return ORDER_NAMES.flatMap(([name, id]) =>
    ORDERED.map((types) => {
      const args = types.split(", ");
      const suffix = args.map((type) => OVERLOAD_NAMES[type] ?? type).join("_");
      return operator(`${name}: (${args[0]}, ${args[1] ?? args[0]}) bool @${id}_${suffix}`);
    }),
  );
}

const OPERATORS: Overload[] = [
  "!_: (bool) bool @logical_not",
  "-_: (double) double @negate_double",
  "-_: (int) int @negate_int64",
  "@in: (A, list(A)) bool @in_list",
  "@in: (A, map(A, B)) bool @in_map",
  "@not_strictly_false: (bool) bool @not_strictly_false",
  "_!=_: (A, A) bool @not_equals",
  "_==_: (A, A) bool @equals",
  "_&&_: (bool, bool) bool @logical_and",
  "_||_: (bool, bool) bool @logical_or",
  "_?_:_: (bool, A, A) A @conditional",
  "_%_: (int, int) int @modulo_int64",
  "_%_: (uint, uint) uint @modulo_uint64",
  "_*_: (double, double) double @multiply_double",
  "_*_: (int, int) int @multiply_int64",
  "_*_: (uint, uint) uint @multiply_uint64",
  "_/_: (double, double) double @divide_double",
  "_/_: (int, int) int @divide_int64",
  "_/_: (uint, uint) uint @divide_uint64",
  "_+_: (bytes, bytes) bytes @add_bytes",
  "_+_: (double, double) double @add_double",
  "_+_: (duration, duration) duration @add_duration_duration",
  "_+_: (duration, timestamp) timestamp @add_duration_timestamp",
  "_+_: (timestamp, duration) timestamp @add_timestamp_duration",
  "_+_: (int, int) int @add_int64",
  "_+_: (list(A), list(A)) list(A) @add_list",
  "_+_: (string, string) string @add_string",
  "_+_: (uint, uint) uint @add_uint64",
  "_-_: (double, double) double @subtract_double",
  "_-_: (duration, duration) duration @subtract_duration_duration",
  "_-_: (int, int) int @subtract_int64",
  "_-_: (timestamp, duration) timestamp @subtract_timestamp_duration",
  "_-_: (timestamp, timestamp) duration @subtract_timestamp_timestamp",
  "_-_: (uint, uint) uint @subtract_uint64",
  "_[_]: (list(A), int) A @index_list",
  "_[_]: (map(A, B), A) B @index_map",
].map(operator);

const failed = (from: string, to: string): CelError => new CelError(`type conversion error from '${from}' to '${to}'`);

function parseInteger(text: string, low: bigint, high: bigint, sign: RegExp): Int | undefined {
  if (!sign.test(text)) return undefined;
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return value < low || value > high ? undefined : integer(value);
}

/** Integers longer than this are out of range. */
const SIGNED = /^[+-]?[0-9]{1,400}$/;
const UNSIGNED = /^[0-9]{1,400}$/;
const DECIMAL = /^[+-]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;

/** As Go's ParseFloat. */
function parseFloat64(text: string): number | undefined {
  if (/^[+-]?(?:inf|infinity)$/i.test(text))
    return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^[+-]?nan$/i.test(text)) return Number.NaN;
  if (text.length > 4000 || !DECIMAL.test(text) || text.includes("_")) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

const TRUE = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE = new Set(["0", "f", "F", "FALSE", "false", "False"]);

function decodeBytes(bytes: Uint8Array): Value {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return new CelError("invalid UTF-8 in bytes, cannot convert to string");
  }
}

const same = (value: Value): Value => value;

const CONVERSIONS: Overload[] = [
  declare("bool: (bool) bool @bool_to_bool", same),
  declare("bool: (string) bool @string_to_bool", (text: string) =>
    TRUE.has(text) ? true : FALSE.has(text) ? false : failed("string", "bool"),
  ),
  declare("bytes: (bytes) bytes @bytes_to_bytes", same),
  declare("bytes: (string) bytes @string_to_bytes", (text: string) => new TextEncoder().encode(text)),
  declare("double: (double) double @double_to_double", same),
  declare("double: (int) double @int64_to_double", (value: Int) => new Double(Number(value))),
  declare("double: (string) double @string_to_double", (text: string) => {
    const value = parseFloat64(text);
    return value === undefined ? failed("string", "double") : new Double(value);
  }),
  declare("double: (uint) double @uint64_to_double", (value: Uint) => new Double(Number(value.value))),
  declare("duration: (duration) duration @duration_to_duration", same),
  declare("duration: (int) duration @int64_to_duration", () => failed("int", "google.protobuf.Duration")),
  declare(
    "duration: (string) duration @string_to_duration",
    (text: string) => parseDuration(text) ?? failed("string", "google.protobuf.Duration"),
  ),
  declare("dyn: (A) dyn @to_dyn", same),
  declare("int: (int) int @int64_to_int64", same),
  declare("int: (double) int @double_to_int64", (value: Double) => doubleToInt(value.value)),
  declare("int: (duration) int @duration_to_int64", (value: Duration) => value.nanos),
  declare(
    "int: (string) int @string_to_int64",
    (text: string) => parseInteger(text, INT_MIN, INT_MAX, SIGNED) ?? failed("string", "int"),
  ),
  declare("int: (timestamp) int @timestamp_to_int64", (value: Timestamp) => value.seconds),
  declare("int: (uint) int @uint64_to_int64", (value: Uint) =>
    value.value > INT_MAX ? new CelError("integer overflow") : value.value,
  ),
  declare("string: (string) string @string_to_string", same),
  declare("string: (bool) string @bool_to_string", (value: boolean) => String(value)),
  declare("string: (bytes) string @bytes_to_string", decodeBytes),
  declare("string: (double) string @double_to_string", (value: Double) => formatDouble(value.value)),
  declare("string: (duration) string @duration_to_string", formatDuration),
  declare("string: (int) string @int64_to_string", (value: Int) => String(value)),
  declare("string: (timestamp) string @timestamp_to_string", formatTimestamp),
  declare("string: (uint) string @uint64_to_string", (value: Uint) => String(value.value)),
  declare("timestamp: (timestamp) timestamp @timestamp_to_timestamp", same),
  declare("timestamp: (int) timestamp @int64_to_timestamp", (seconds: Int) => timestampOf(seconds, 0)),
  declare(
    "timestamp: (string) timestamp @string_to_timestamp",
    (text: string) => parseTimestamp(text) ?? failed("string", "google.protobuf.Timestamp"),
  ),
  declare("type: (A) type(A) @type", (value: Value) => new TypeValue(typeOfValue(value))),
  declare("uint: (uint) uint @uint64_to_uint64", same),
  declare("uint: (double) uint @double_to_uint64", (value: Double) => doubleToUint(value.value)),
  declare("uint: (int) uint @int64_to_uint64", (value: Int) => uint64(BigInt(value))),
  declare("uint: (string) uint @string_to_uint64", (text: string) => {
    const value = parseInteger(text, 0n, UINT_MAX, UNSIGNED);
    return value === undefined ? failed("string", "uint") : new Uint(value);
  }),
];

const sized = (value: ListValue | MapValue): number => value.size;

const STRINGS: Overload[] = [
  declare("size: (bytes) int @size_bytes", (value: Uint8Array) => value.length),
  declare("size: bytes.() int @bytes_size", (value: Uint8Array) => value.length),
  declare("size: (list(A)) int @size_list", sized),
  declare("size: list(A).() int @list_size", sized),
  declare("size: (map(A, B)) int @size_map", sized),
  declare("size: map(A, B).() int @map_size", sized),
  declare("size: (string) int @size_string", codePoints),
  declare("size: string.() int @string_size", codePoints),
  declare("contains: string.(string) bool @contains_string", (text: string, part: string) => text.includes(part)),
  declare("endsWith: string.(string) bool @ends_with_string", (text: string, part: string) => text.endsWith(part)),
  declare("startsWith: string.(string) bool @starts_with_string", (text: string, part: string) =>
    text.startsWith(part),
  ),
  declare("matches: (string, string) bool @matches", matches),
  declare("matches: string.(string) bool @matches_string", matches),
];

/** A field of a moment, in UTC or where it is asked for. */
function clock(
  name: string,
  id: string,
  field: (at: Calendar, time: Timestamp) => number,
  zoned = `${id}_with_tz`,
): Overload[] {
  const read = (time: Timestamp, zone: string): Value => {
    const at = calendar(time, zone);
    return at instanceof CelError ? at : field(at, time);
  };
  return [
    declare(`${name}: timestamp.() int @${id}`, (time: Timestamp) => read(time, "UTC")),
    declare(`${name}: timestamp.(string) int @${zoned}`, read),
  ];
}

/** A duration in whole units of so many nanoseconds, through a double where upstream goes that way. */
function units(name: string, id: string, nanos: bigint): Overload {
  return declare(`${name}: duration.() int @${id}`, (value: Duration) => integer(BigInt(value.nanos) / nanos));
}

const TIMES: Overload[] = [
  ...clock("getFullYear", "timestamp_to_year", (at) => at.year),
  ...clock("getMonth", "timestamp_to_month", (at) => at.month),
  ...clock("getDayOfYear", "timestamp_to_day_of_year", (at) => at.dayOfYear),
  ...clock("getDayOfMonth", "timestamp_to_day_of_month", (at) => at.day - 1),
  ...clock("getDate", "timestamp_to_day_of_month_1_based", (at) => at.day),
  ...clock("getDayOfWeek", "timestamp_to_day_of_week", (at) => at.weekday),
  ...clock("getHours", "timestamp_to_hours", (at) => at.hours),
  units("getHours", "duration_to_hours", 3_600_000_000_000n),
  ...clock("getMinutes", "timestamp_to_minutes", (at) => at.minutes),
  units("getMinutes", "duration_to_minutes", 60_000_000_000n),
  ...clock("getSeconds", "timestamp_to_seconds", (at) => at.seconds, "timestamp_to_seconds_tz"),
  units("getSeconds", "duration_to_seconds", 1_000_000_000n),
  ...clock("getMilliseconds", "timestamp_to_milliseconds", (_, time) => Math.floor(time.nanos / 1_000_000)),
  units("getMilliseconds", "duration_to_milliseconds", 1_000_000n),
];

export const STANDARD_FUNCTIONS: readonly Overload[] = [
  ...OPERATORS,
  ...comparisons(),
  ...CONVERSIONS,
  ...STRINGS,
  ...TIMES,
];
