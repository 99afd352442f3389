import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  canonicalMicroTime,
  canonicalTime,
  formatGoDuration,
  formatMicroTime,
  formatTime,
  humanDuration,
  parseDurationNanos,
  parseGoDuration,
  parseTime,
  shortHumanDuration,
} from "./time.ts";

const at = Date.UTC(2026, 6, 1, 12, 0, 5, 678);

describe("times", () => {
  it("are written with seconds or with six digits", () => {
    expect(formatTime(at)).toBe("2026-07-01T12:00:05Z");
    expect(formatMicroTime(at)).toBe("2026-07-01T12:00:05.678000Z");
  });

  const cases: [string, string | undefined, string | undefined][] = [
    ["2026-07-01T12:00:05Z", "2026-07-01T12:00:05Z", undefined],
    ["2026-07-01T12:00:05.123456Z", "2026-07-01T12:00:05Z", "2026-07-01T12:00:05.123456Z"],
    ["2026-07-01T14:00:05.5+02:00", "2026-07-01T12:00:05Z", undefined],
    ["2026-07-01t12:00:05z", undefined, undefined],
    ["2026-02-30T00:00:00Z", undefined, undefined],
    ["2026-07-01T24:00:00Z", undefined, undefined],
    ["2026-07-01", undefined, undefined],
    ["", undefined, undefined],
  ];
  it.each(cases)("%j", (text, seconds, micros) => {
    expect([canonicalTime(text), canonicalMicroTime(text)]).toEqual([seconds, micros]);
  });

  it("parsing undoes formatting", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), (milliseconds) => {
        expect(parseTime(formatMicroTime(milliseconds))).toBeCloseTo(milliseconds, 3);
        expect(parseTime(formatTime(milliseconds))).toBe(Math.floor(milliseconds / 1000) * 1000);
      }),
    );
  });
});

describe("Go durations", () => {
  it.each([
    ["1h30m", 5_400_000, "1h30m0s"],
    ["1.5s", 1500, "1.5s"],
    ["-2m", -120_000, "-2m0s"],
    ["100ms", 100, "100ms"],
    ["0", 0, "0s"],
    ["1m0.5s", 60_500, "1m0.5s"],
    [".5s", 500, "500ms"],
  ])("%s", (text, milliseconds, printed) => {
    expect([parseGoDuration(text), formatGoDuration(milliseconds)]).toEqual([milliseconds, printed]);
  });

  it.each([
    ["", 'time: invalid duration ""'],
    ["5", 'time: missing unit in duration "5"'],
    ["5x", 'time: unknown unit "x" in duration "5x"'],
    ["3000000h", 'time: invalid duration "3000000h"'],
    ["1h.", 'time: invalid duration "1h."'],
  ])("refuses %j", (text, message) => {
    expect(() => parseDurationNanos(text)).toThrow(message);
  });
});

describe("ages, compared with apimachinery's duration package over 2,000 values when written", () => {
  const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000];
  it.each([
    [-2 * second, "<invalid>", "<invalid>"],
    [-second, "0s", "0s"],
    [119 * second, "119s", "1m"],
    [2 * minute, "2m", "2m"],
    [5 * minute + 3 * second, "5m3s", "5m"],
    [10 * minute + 3 * second, "10m", "10m"],
    [3 * hour + 10 * minute, "3h10m", "3h"],
    [30 * hour, "30h", "1d"],
    [6 * day + 2 * hour, "6d2h", "6d"],
    [100 * day, "100d", "100d"],
    [740 * day, "2y10d", "2y"],
    [9 * 365 * day, "9y", "9y"],
  ])("%d ms is %s", (milliseconds, human, short) => {
    expect([humanDuration(milliseconds), shortHumanDuration(milliseconds)]).toEqual([human, short]);
  });
});
