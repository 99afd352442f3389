/** How much a simulated container uses over time: a constant, a sine, or steps. */
import { parseQuantity } from "../../api/quantity.ts";
import { parseGoDuration } from "../../api/time.ts";

export interface Curve {
  /** The value after so many seconds. */
  at(seconds: number): number;
  /** The area under it from the start: what a counter has counted. */
  until(seconds: number): number;
}

/** What a value may look like; for error texts. */
export const ACCEPTED = "a quantity such as 250m, sine(100m..400m, 2m) or steps(100m for 30s, 400m for 1m)";
const MOST_STEPS = 64;

export function constant(value: number): Curve {
  return { at: () => value, until: (seconds) => value * seconds };
}

/** Begins at its lowest. */
function sine(low: number, high: number, period: number): Curve {
  const [middle, swing, turn] = [(low + high) / 2, (high - low) / 2, (2 * Math.PI) / period];
  return {
    at: (seconds) => middle - swing * Math.cos(turn * seconds),
    until: (seconds) => middle * seconds - (swing / turn) * Math.sin(turn * seconds),
  };
}

interface Step {
  readonly value: number;
  readonly seconds: number;
}

/** One after the other, and from the beginning again. */
function steps(all: readonly Step[]): Curve {
  const period = all.reduce((sum, { seconds }) => sum + seconds, 0);
  const area = all.reduce((sum, { value, seconds }) => sum + value * seconds, 0);
  return {
    at(time) {
      let rest = time % period;
      for (const { value, seconds } of all) {
        if (rest < seconds) return value;
        rest -= seconds;
      }
      return all.at(-1)!.value;
    },
    until(time) {
      let rest = time % period;
      let sum = Math.floor(time / period) * area;
      for (const { value, seconds } of all) {
        const part = Math.min(rest, seconds);
        sum += value * part;
        rest -= part;
      }
      return sum;
    },
  };
}

/** A quantity as a number of cores or bytes; undefined when it is none or below zero. */
function amount(text: string): number | undefined {
  try {
    const milli = Number(parseQuantity(text.trim()).milliValue());
    return milli < 0 || !Number.isSafeInteger(milli) ? undefined : milli / 1000;
  } catch {
    return undefined;
  }
}

function seconds(text: string): number | undefined {
  try {
    const milliseconds = parseGoDuration(text.trim());
    return milliseconds > 0 && Number.isFinite(milliseconds) ? milliseconds / 1000 : undefined;
  } catch {
    return undefined;
  }
}

/** The curve a text means: `250m`, `constant(250m)`, `sine(100m..400m, 2m)`, `steps(100m for 30s, 400m for 1m)`; undefined when it means none. */
export function parseCurve(text: string): Curve | undefined {
  const call = /^\s*(constant|sine|steps)\s*\(([^()]*)\)\s*$/.exec(text);
  if (call === null) {
    const value = amount(text);
    return value === undefined ? undefined : constant(value);
  }
  const [, shape, inside = ""] = call;
  if (shape === "constant") {
    const value = amount(inside);
    return value === undefined ? undefined : constant(value);
  }
  const parts = inside.split(",");
  if (shape === "sine") {
    const [range = "", duration = "", ...more] = parts;
    const [low, high, ...others] = range.split("..").map(amount);
    const period = seconds(duration);
    if (more.length > 0 || others.length > 0 || low === undefined || high === undefined || period === undefined) {
      return undefined;
    }
    return high < low ? undefined : sine(low, high, period);
  }
  if (parts.length > MOST_STEPS) return undefined;
  const all: Step[] = [];
  for (const part of parts) {
    const [value, duration, ...more] = part.split(" for ");
    const [high, long] = [amount(value ?? ""), seconds(duration ?? "")];
    if (more.length > 0 || high === undefined || long === undefined) return undefined;
    all.push({ value: high, seconds: long });
  }
  return steps(all);
}
