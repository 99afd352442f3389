import { describe, expect, it } from "vitest";
import { SimulatedClock } from "../api/simulated.ts";
import { Expectations } from "./expectations.ts";
import { slowStart } from "./slow-start.ts";

describe("expectations", () => {
  it("are met when everything has been seen", () => {
    const expectations = new Expectations(new SimulatedClock());
    expect(expectations.satisfied("k")).toBe(true);
    expectations.expectCreations("k", 2);
    expectations.created("k");
    expect(expectations.satisfied("k")).toBe(false);
    expectations.created("k");
    expect(expectations.satisfied("k")).toBe(true);
    expectations.expectDeletions("k", ["a", "b"]);
    expectations.deleted("k", "a");
    expectations.deleted("k", "a");
    expect(expectations.satisfied("k")).toBe(false);
    expectations.deleted("k", "b");
    expect(expectations.satisfied("k")).toBe(true);
  });

  it("are given up after five minutes, and forgotten on request", async () => {
    const clock = new SimulatedClock();
    const expectations = new Expectations(clock);
    expectations.expectCreations("k", 1);
    await clock.advance(300_000);
    expect(expectations.satisfied("k")).toBe(false);
    await clock.advance(1);
    expect(expectations.satisfied("k")).toBe(true);
    expectations.expectCreations("k", 1);
    expectations.forget("k");
    expect(expectations.satisfied("k")).toBe(true);
  });
});

describe("a slow start", () => {
  it("doubles its batches until all is done", async () => {
    const running: number[] = [];
    let now = 0;
    const result = await slowStart(10, async () => {
      running.push(++now);
      await Promise.resolve();
      now--;
    });
    expect(result).toEqual({ succeeded: 10 });
    expect(Math.max(...running)).toBe(4);
    expect(running).toHaveLength(10);
  });

  it("stops after the batch in which one failed", async () => {
    let calls = 0;
    const result = await slowStart(100, async () => {
      calls++;
      if (calls === 3) throw new Error("full");
    });
    expect(calls).toBe(3);
    expect(result).toEqual({ succeeded: 2, error: new Error("full") });
  });

  it("of nothing is nothing", async () => {
    expect(await slowStart(0, () => Promise.reject(new Error("never")))).toEqual({ succeeded: 0 });
  });
});
