/** Times and durations in the forms Kubernetes writes: RFC 3339, Go durations, and ages for humans. */
import { goQuote } from "./go-quote.ts";

// Go accepts a fraction after "." or ",", upper case T and Z only, and no 24:00 or leap second.
const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(?:Z|([+-])(\d{2}):(\d{2}))$/;

/** RFC 3339 in UTC with seconds, as `metav1.Time`. `milliseconds` since the epoch. */
export function formatTime(milliseconds: number): string {
  return `${new Date(Math.floor(milliseconds / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 in UTC with exactly six digits, as `metav1.MicroTime`. Fractions of a millisecond count. */
export function formatMicroTime(milliseconds: number): string {
  const micros = Math.floor((milliseconds - Math.floor(milliseconds / 1000) * 1000) * 1000);
  return `${formatTime(milliseconds).slice(0, -1)}.${`${micros}`.padStart(6, "0")}Z`;
}

interface Moment {
  /** Whole seconds, in milliseconds since the epoch. */
  readonly seconds: number;
  readonly fraction: string;
}

function parseMoment(text: string): Moment | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // A day that does not exist rolls over into another month.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || date.getUTCFullYear() !== year) return undefined;
  date.setUTCHours(hour, minute, second);
  let seconds = date.getTime();
  if (match[8] !== undefined) {
    const hours = Number(match[9]);
    const minutes = Number(match[10]);
    if (hours > 23 || minutes > 59) return undefined;
    seconds += (match[8] === "-" ? 60_000 : -60_000) * (hours * 60 + minutes);
  }
  return { seconds, fraction: match[7] ?? "" };
}

/** Milliseconds since the epoch of an RFC 3339 time with or without a fraction; undefined when it is none. */
export function parseTime(text: string): number | undefined {
  const moment = parseMoment(text);
  return moment && moment.seconds + Number(`0.${moment.fraction}0`) * 1000;
}

/** What `metav1.Time` writes for what it read: UTC, no fraction. */
export function canonicalTime(text: string): string | undefined {
  const moment = parseMoment(text);
  return moment && formatTime(moment.seconds);
}

/** What `metav1.MicroTime` writes for what it read; Go's layout asks for exactly six digits. */
export function canonicalMicroTime(text: string): string | undefined {
  const moment = parseMoment(text);
  if (moment === undefined || moment.fraction.length !== 6) return undefined;
  return `${formatTime(moment.seconds).slice(0, -1)}.${moment.fraction}Z`;
}

const UNITS: Record<string, bigint> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const MAX_DURATION = 9223372036854775807n;

/** A Go duration (`1h30m`, `-1.5s`) in nanoseconds. Throws with Go's text. */
export function parseDurationNanos(text: string): bigint {
  const invalid = () => new Error(`time: invalid duration ${goQuote(text)}`);
  const negative = text.startsWith("-");
  let rest = negative || text.startsWith("+") ? text.slice(1) : text;
  if (rest === "0") return 0n;
  // No sensible duration is longer; bounds the arithmetic below.
  if (rest === "" || rest.length > 512) throw invalid();
  let total = 0n;
  while (rest !== "") {
    const number = /^([0-9]*)(?:\.([0-9]*))?/.exec(rest)!;
    const [whole, digits, fraction] = number as unknown as [string, string, string | undefined];
    if (digits === "" && (fraction ?? "") === "") throw invalid();
    rest = rest.slice(whole.length);
    const unit = /^[^.0-9]*/.exec(rest)![0];
    if (unit === "") throw new Error(`time: missing unit in duration ${goQuote(text)}`);
    const size = Object.hasOwn(UNITS, unit) ? UNITS[unit]! : undefined;
    if (size === undefined) throw new Error(`time: unknown unit ${goQuote(unit)} in duration ${goQuote(text)}`);
    rest = rest.slice(unit.length);
    total += BigInt(digits === "" ? "0" : digits) * size;
    if (fraction) total += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
    if (total > MAX_DURATION + (negative ? 1n : 0n)) throw invalid();
  }
  return negative ? -total : total;
}

/** A Go duration in milliseconds. Throws with Go's text. */
export function parseGoDuration(text: string): number {
  return Number(parseDurationNanos(text)) / 1e6;
}

/** As Go prints a Duration: `1h0m0s`, `1.5s`, `2ms`, `0s`. */
export function formatDurationNanos(nanos: bigint): string {
  if (nanos === 0n) return "0s";
  const sign = nanos < 0n ? "-" : "";
  const value = nanos < 0n ? -nanos : nanos;
  if (value < 1_000n) return `${sign}${value}ns`;
  if (value < 1_000_000n) return `${sign}${decimal(value, 3)}µs`;
  if (value < 1_000_000_000n) return `${sign}${decimal(value, 6)}ms`;
  const seconds = `${decimal(value % 60_000_000_000n, 9)}s`;
  const minutes = value / 60_000_000_000n;
  if (minutes === 0n) return sign + seconds;
  return minutes < 60n ? `${sign}${minutes}m${seconds}` : `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

export function formatGoDuration(milliseconds: number): string {
  return formatDurationNanos(BigInt(Math.round(milliseconds * 1e6)));
}

/** `value / 10^places` without trailing zeros. */
function decimal(value: bigint, places: number): string {
  const digits = `${value}`.padStart(places + 1, "0");
  const fraction = digits.slice(-places).replace(/0+$/, "");
  return digits.slice(0, -places) + (fraction === "" ? "" : `.${fraction}`);
}

/** An age with two or three significant figures: `45s`, `5m3s`, `3h10m`, `6d2h`, `2y10d` (apimachinery's HumanDuration). */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return `${minutes}m${unlessZero(seconds % 60, "s")}`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return `${hours}h${unlessZero(minutes % 60, "m")}`;
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (hours < 24 * 8) return `${days}d${unlessZero(hours % 24, "h")}`;
  if (days < 365 * 2) return `${days}d`;
  const years = Math.trunc(days / 365);
  return years < 8 ? `${years}y${unlessZero(days % 365, "d")}` : `${years}y`;
}

/** An age with one figure: `45s`, `5m`, `3h`, `6d`, `2y`. */
export function shortHumanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.trunc(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.trunc(seconds / 3600)}h`;
  const days = Math.trunc(seconds / 86_400);
  return days < 365 ? `${days}d` : `${Math.trunc(days / 365)}y`;
}

function unlessZero(count: number, unit: string): string {
  return count === 0 ? "" : `${count}${unit}`;
}
