/** Values as text: what `string()` and `format()` print. */
import { goQuote } from "../../../api/go-quote.ts";
import { CelError } from "../values/errors.ts";
import { ListValue } from "../values/list.ts";
import { MapValue } from "../values/map.ts";
import { Double, Uint } from "../values/numbers.ts";
import { compareStrings } from "../values/strings.ts";
import { Duration, formatDuration, formatTimestamp, plainDecimal, Timestamp } from "../values/time.ts";
import { TypeValue, typeOfValue, type Value } from "../values/value.ts";

/** As Go's `%g`: an exponent from a million up and below 10^-4, two digits of it at least. */
export function formatDouble(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const size = Math.abs(value);
  if (size === 0) return Object.is(value, -0) ? "-0" : "0";
  if (size >= 1e-4 && size < 1e6) return plainDecimal(value);
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

/** `%s`. An error for values that have no text. */
export function printValue(value: Value): string | CelError {
  if (value === null) return "null";
  if (typeof value !== "object") return String(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Double) return formatDouble(value.value);
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return formatDuration(value);
  if (value instanceof TypeValue) return value.type.name;
  if (value instanceof ListValue) return printList(value);
  if (value instanceof MapValue) return printMap(value);
  if (value instanceof CelError) return value;
  if (value instanceof Uint8Array) return new TextDecoder("utf-8", { ignoreBOM: true }).decode(value);
  return new CelError(
    `error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given ${typeOfValue(value).name}`,
  );
}

/** An element of a list or map: strings in quotes, times as the calls that make them. */
function printMember(value: Value): string | CelError {
  if (typeof value === "string") return goQuote(value);
  if (value instanceof Uint8Array) {
    const text = printValue(value);
    return typeof text === "string" ? `b${goQuote(text)}` : text;
  }
  if (value instanceof Timestamp) return `timestamp(${goQuote(formatTimestamp(value))})`;
  if (value instanceof Duration) return `duration(${goQuote(formatDuration(value))})`;
  if (value instanceof Double) {
    if (Number.isFinite(value.value)) return fixed(value.value, 6);
    return goQuote(Number.isNaN(value.value) ? "NaN" : value.value > 0 ? "+Inf" : "-Inf");
  }
  return printValue(value);
}

function printList(list: ListValue): string | CelError {
  const parts: string[] = [];
  for (const value of list.values()) {
    const text = printMember(value);
    if (typeof text !== "string") return text;
    parts.push(text);
  }
  return `[${parts.join(", ")}]`;
}

function printMap(map: MapValue): string | CelError {
  const parts: [string, string][] = [];
  for (const key of map.keys()) {
    if (key instanceof Double || typeof key === "object")
      if (!(key instanceof Uint))
        return new CelError(`no formatting function for map key of type ${typeOfValue(key).name}`);
    const name = printMember(key);
    const text = printMember(map.find(key)!);
    if (typeof name !== "string") return name;
    if (typeof text !== "string") return text;
    parts.push([name, text]);
  }
  parts.sort((a, b) => compareStrings(a[0], b[0]));
  return `{${parts.map(([key, text]) => `${key}:${text}`).join(", ")}}`;
}

/** Digits after the point that are printed exactly; doubles have no more than this. */
const MAX_PLACES = 1100;

/** With so many digits after the point, exactly, halves to even. */
export function fixed(value: number, places: number): string {
  const digits = Math.min(places, MAX_PLACES);
  if (digits <= 100 && Math.abs(value) < 1e21) return value.toFixed(digits) === "-0" ? "-0" : exactFixed(value, digits);
  return exactFixed(value, digits);
}

function exactFixed(value: number, places: number): string {
  const negative = value < 0 || Object.is(value, -0);
  const { mantissa, exponent } = binary(Math.abs(value));
  let scaled = mantissa * 10n ** BigInt(places);
  if (exponent >= 0) scaled <<= BigInt(exponent);
  else {
    const by = 1n << BigInt(-exponent);
    const rest = scaled % by;
    scaled /= by;
    if (rest * 2n > by || (rest * 2n === by && scaled % 2n === 1n)) scaled += 1n;
  }
  const text = String(scaled).padStart(places + 1, "0");
  const whole = text.slice(0, text.length - places);
  return `${negative ? "-" : ""}${whole}${places > 0 ? `.${text.slice(-places)}` : ""}`;
}

/** `value = mantissa × 2^exponent`. */
function binary(value: number): { mantissa: bigint; exponent: number } {
  if (value === 0) return { mantissa: 0n, exponent: 0 };
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  return biased === 0
    ? { mantissa: fraction, exponent: -1074 }
    : { mantissa: fraction | 0x10000000000000n, exponent: biased - 1075 };
}
