/** Timestamps and durations to the nanosecond, as Go's `time` has them. */
import { parseDurationNanos } from "../../../api/time.ts";
import { CelError } from "./errors.ts";
import { addInt, type Int, integer, multiplyInt, negateInt, subtractInt } from "./numbers.ts";

const SECOND = 1_000_000_000;
/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
const MIN_SECONDS = -62_135_596_800;
const MAX_SECONDS = 253_402_300_799;

const TIMESTAMP_OVERFLOW = new CelError("timestamp overflow");

export class Timestamp {
  /** Since 1970, rounded down. */
  readonly seconds: number;
  readonly nanos: number;
  /** Minutes east of UTC it was written with; only printing shows it. */
  readonly offset: number;
  constructor(seconds: number, nanos: number, offset = 0) {
    this.seconds = seconds;
    this.nanos = nanos;
    this.offset = offset;
  }
}

export class Duration {
  readonly nanos: Int;
  constructor(nanos: Int) {
    this.nanos = nanos;
  }
}

export function timestampOf(seconds: Int, nanos: number, offset = 0): Timestamp | CelError {
  if (seconds < MIN_SECONDS || seconds > MAX_SECONDS) return TIMESTAMP_OVERFLOW;
  return new Timestamp(Number(seconds), nanos, offset);
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** RFC 3339 as Go's `time.Parse` takes it. Undefined: it is none. */
export function parseTimestamp(text: string): Timestamp | CelError | undefined {
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
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const offset = match[8] === undefined ? 0 : (Number(match[9]) * 60 + Number(match[10])) * (match[8] === "-" ? -1 : 1);
  if (match[9] !== undefined && (Number(match[9]) > 24 || Number(match[10]) > 59)) return undefined;
  const seconds = utcSeconds(year, month, day) + hour * 3600 + minute * 60 + second - offset * 60;
  const nanos = Number((match[7] ?? "").slice(0, 9).padEnd(9, "0"));
  return timestampOf(seconds, nanos, offset);
}

/** Midnight of the day, in seconds since 1970. Years below 100 are those years. */
export function utcSeconds(year: number, month: number, day: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime() / 1000;
}

export function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** RFC 3339 with as many digits of a second as it takes, in the zone it was written with. */
export function formatTimestamp(time: Timestamp): string {
  const local = new Date((time.seconds + time.offset * 60) * 1000);
  const day = `${pad(local.getUTCFullYear(), 4)}-${pad(local.getUTCMonth() + 1, 2)}-${pad(local.getUTCDate(), 2)}`;
  const clock = `${pad(local.getUTCHours(), 2)}:${pad(local.getUTCMinutes(), 2)}:${pad(local.getUTCSeconds(), 2)}`;
  const fraction = time.nanos === 0 ? "" : `.${pad(time.nanos, 9).replace(/0+$/, "")}`;
  const minutes = Math.abs(time.offset);
  const zone =
    time.offset === 0
      ? "Z"
      : `${time.offset < 0 ? "-" : "+"}${pad(Math.trunc(minutes / 60), 2)}:${pad(minutes % 60, 2)}`;
  return `${day}T${clock}${fraction}${zone}`;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

/** A duration as Go writes it. Undefined: it is none. */
export function parseDuration(text: string): Duration | undefined {
  try {
    return new Duration(integer(parseDurationNanos(text)));
  } catch {
    return undefined;
  }
}

/** Seconds as a decimal: `5400s`, `0.5s`. Through a double, as upstream does it. */
export function formatDuration(duration: Duration): string {
  return `${plainDecimal(durationSeconds(duration))}s`;
}

/** Whole seconds and the rest are added as doubles. */
export function durationSeconds(duration: Duration): number {
  const nanos = BigInt(duration.nanos);
  return Number(nanos / 1_000_000_000n) + Number(nanos % 1_000_000_000n) / 1e9;
}

/** The shortest decimal of a double, never with an exponent. */
export function plainDecimal(value: number): string {
  const text = String(value);
  const match = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (match === null) return Object.is(value, -0) ? "-0" : text;
  const [, sign, whole, fraction = "", exponent] = match;
  const digits = whole! + fraction;
  const point = whole!.length + Number(exponent);
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits + "0".repeat(point - digits.length);
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

export function addDurations(a: Duration, b: Duration): Duration | CelError {
  return duration(addInt(a.nanos, b.nanos));
}

export function subtractDurations(a: Duration, b: Duration): Duration | CelError {
  return duration(subtractInt(a.nanos, b.nanos));
}

export function negateDuration(a: Duration): Duration | CelError {
  return duration(negateInt(a.nanos));
}

function duration(nanos: Int | CelError): Duration | CelError {
  return nanos instanceof CelError ? nanos : new Duration(nanos);
}

/** `time + by`, with `sign` -1 `time - by`. */
export function shift(time: Timestamp, by: Duration, sign: 1 | -1): Timestamp | CelError {
  const nanos = BigInt(by.nanos) * BigInt(sign) + BigInt(time.nanos);
  let seconds = nanos / BigInt(SECOND);
  let rest = Number(nanos % BigInt(SECOND));
  if (rest < 0) {
    rest += SECOND;
    seconds -= 1n;
  }
  return timestampOf(integer(seconds + BigInt(time.seconds)), rest, time.offset);
}

/** `a - b`. */
export function between(a: Timestamp, b: Timestamp): Duration | CelError {
  const nanos = multiplyInt(a.seconds - b.seconds, SECOND);
  if (nanos instanceof CelError) return nanos;
  return duration(addInt(nanos, a.nanos - b.nanos));
}

export function compareTimestamps(a: Timestamp, b: Timestamp): number {
  return Math.sign(a.seconds - b.seconds || a.nanos - b.nanos);
}

/** The fields of a moment on the clock of a place. */
export interface Calendar {
  readonly year: number;
  /** From 0. */
  readonly month: number;
  /** From 1. */
  readonly day: number;
  /** From 0. */
  readonly dayOfYear: number;
  /** Sunday is 0. */
  readonly weekday: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
}

/** `zone`: a name of the IANA database, or `+hh:mm`. An error for what is neither. */
export function calendar(time: Timestamp, zone: string): Calendar | CelError {
  const offset = zoneOffset(time, zone);
  if (offset instanceof CelError) return offset;
  const local = new Date((time.seconds + offset) * 1000);
  const year = local.getUTCFullYear();
  return {
    year,
    month: local.getUTCMonth(),
    day: local.getUTCDate(),
    dayOfYear: Math.floor((local.getTime() / 1000 - utcSeconds(year, 1, 1)) / 86_400),
    weekday: local.getUTCDay(),
    hours: local.getUTCHours(),
    minutes: local.getUTCMinutes(),
    seconds: local.getUTCSeconds(),
  };
}

/** Seconds east of UTC. */
function zoneOffset(time: Timestamp, zone: string): number | CelError {
  if (zone === "UTC" || zone === "") return 0;
  const colon = zone.indexOf(":");
  if (colon !== -1) {
    const hours = decimalInteger(zone.slice(0, colon));
    const minutes = decimalInteger(zone.slice(colon + 1));
    if (hours === undefined || minutes === undefined) {
      const wrong = hours === undefined ? zone.slice(0, colon) : zone.slice(colon + 1);
      return new CelError(`strconv.Atoi: parsing ${JSON.stringify(wrong)}: invalid syntax`);
    }
    return (zone.startsWith("-") ? hours * 60 - minutes : hours * 60 + minutes) * 60;
  }
  return namedOffset(time, zone);
}

/** Clocks change on quarters of an hour: what was found for one holds for all of it. */
const QUARTER = 900;
const MAX_OFFSETS = 1000;
const offsets = new Map<string, number>();

function namedOffset(time: Timestamp, zone: string): number | CelError {
  const key = `${Math.floor(time.seconds / QUARTER)} ${zone}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  const format = zoneFormat(zone);
  if (format === undefined) return new CelError(`unknown time zone ${zone}`);
  const offset = readOffset(format, time);
  if (offsets.size >= MAX_OFFSETS) offsets.clear();
  offsets.set(key, offset);
  return offset;
}

/** Seconds east of UTC, from the name a formatter gives the zone: `GMT+05:30`. */
function readOffset(format: Intl.DateTimeFormat, time: Timestamp): number {
  const name = format.formatToParts(time.seconds * 1000).find((part) => part.type === "timeZoneName")?.value ?? "GMT";
  const match = /^GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(name);
  if (match === null) return 0;
  const seconds = Number(match[2]) * 3600 + Number(match[3]) * 60 + Number(match[4] ?? 0);
  return match[1] === "-" ? -seconds : seconds;
}

function decimalInteger(text: string): number | undefined {
  return /^[+-]?\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** Few zones are in use; what a caller may name is bounded all the same. */
const MAX_ZONES = 100;
const zones = new Map<string, Intl.DateTimeFormat | undefined>();

function zoneFormat(zone: string): Intl.DateTimeFormat | undefined {
  if (zones.has(zone)) return zones.get(zone);
  let format: Intl.DateTimeFormat | undefined;
  try {
    format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  } catch {
    format = undefined;
  }
  if (zones.size >= MAX_ZONES) zones.clear();
  zones.set(zone, format);
  return format;
}
