import { describe, expect, it } from "vitest";
import { SimulatedClock } from "../api/simulated.ts";
import { ScrapeLoop } from "./scrape-loop.ts";

/** Rounds that take the given numbers of seconds, then none; returns when each began. */
function loopOf(durations: number[], more: { quickUntil?: (rounds: number) => boolean } = {}) {
  const clock = new SimulatedClock();
  const began: number[] = [];
  const aborted: string[] = [];
  const loop = new ScrapeLoop({
    clock,
    resolutionMilliseconds: 15_000,
    ...(more.quickUntil !== undefined && { quickUntil: () => more.quickUntil!(began.length) }),
    async tick(signal) {
      began.push(clock.monotonic() / 1000);
      signal.addEventListener("abort", () => aborted.push(String(signal.reason.message)));
      await clock.sleep((durations[began.length - 1] ?? 0) * 1000);
    },
  });
  return { clock, loop, began, aborted };
}

describe("when rounds begin", () => {
  it.each([
    ["at once and at every resolution", [], 50, [0, 15, 30, 45]],
    ["in rhythm however long a round takes", [7, 14, 1], 50, [0, 15, 30, 45]],
    ["late when the one before is late, and then in rhythm again", [23], 50, [0, 23, 30, 45]],
    ["once for all that were missed", [50], 80, [0, 50, 60, 75]],
  ])("%s", async (_, durations, seconds, expected) => {
    const { clock, loop, began } = loopOf(durations);
    loop.start();
    await clock.advance(seconds * 1000);
    expect(began).toEqual(expected);
  });

  it("every two seconds until there is something to serve", async () => {
    const { clock, loop, began } = loopOf([], { quickUntil: (rounds) => rounds >= 3 });
    loop.start();
    await clock.advance(31_000);
    expect(began).toEqual([0, 2, 4, 15, 30]);
  });

  it("every two seconds for one resolution at most", async () => {
    const { clock, loop, began } = loopOf([], { quickUntil: () => false });
    loop.start();
    await clock.advance(31_000);
    expect(began).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 15, 30]);
  });

  it("no more once stopped", async () => {
    const { clock, loop, began } = loopOf([]);
    loop.start();
    await clock.advance(16_000);
    await loop.stop();
    await clock.advance(60_000);
    expect(began).toEqual([0, 15]);
    expect(clock.waiting).toBe(0);
  });
});

describe("a round that does not end", () => {
  it("is told to after one resolution", async () => {
    const { clock, loop, aborted } = loopOf([40]);
    loop.start();
    await clock.advance(14_999);
    expect(aborted).toEqual([]);
    await clock.advance(2);
    expect(aborted).toEqual(["the round took too long"]);
  });

  it("makes collection untimely after one and a half", async () => {
    const { clock, loop } = loopOf([40]);
    expect(loop.timely).toBe(true);
    loop.start();
    await clock.advance(22_500);
    expect(loop.timely).toBe(true);
    await clock.advance(1);
    expect(loop.timely).toBe(false);
    await clock.advance(30_000);
    expect(loop.timely).toBe(true);
  });

  it("is cut short by a stop", async () => {
    const { clock, loop, aborted } = loopOf([10]);
    loop.start();
    await clock.advance(1000);
    const stopped = loop.stop();
    await clock.advance(10_000);
    await stopped;
    expect(aborted).toEqual(["scraping stops"]);
  });
});
