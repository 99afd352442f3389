import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SimulatedClock } from "../api/simulated.ts";
import { createWorkQueue, runWorkers } from "./queue.ts";

describe("work queue", () => {
  it("holds a key once, in order of arrival", async () => {
    const queue = createWorkQueue({ clock: new SimulatedClock() });
    for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
    expect(queue.length).toBe(3);
    expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(["a", "b", "c"]);
  });

  it("a key added while it is worked on comes back after, not before", async () => {
    const queue = createWorkQueue({ clock: new SimulatedClock() });
    queue.add("a");
    await queue.take();
    queue.add("a");
    expect(queue.length).toBe(0);
    queue.done("a");
    expect(queue.length).toBe(1);
  });

  it("delays double from 5 ms to the maximum and are forgotten on success", async () => {
    const clock = new SimulatedClock();
    const queue = createWorkQueue({ clock, maxDelay: 30 });
    const delays: number[] = [];
    const wait = async () => {
      const start = clock.monotonic();
      queue.addRateLimited("a");
      while (queue.length === 0) await clock.advance(1);
      delays.push(clock.monotonic() - start);
      queue.done((await queue.take())!);
    };
    for (let turn = 0; turn < 5; turn++) await wait();
    expect(queue.failures("a")).toBe(5);
    queue.forget("a");
    await wait();
    expect(delays).toEqual([5, 10, 20, 30, 30, 5]);
  });

  it("of two delays the shorter counts", async () => {
    const clock = new SimulatedClock();
    const queue = createWorkQueue({ clock });
    queue.addAfter("a", 100);
    queue.addAfter("a", 10);
    queue.addAfter("a", 50);
    await clock.advance(10);
    expect(queue.length).toBe(1);
    queue.done((await queue.take())!);
    await clock.advance(200);
    expect(queue.length).toBe(0);
  });

  it("workers retry what throws and stop when it is shut down", async () => {
    const clock = new SimulatedClock();
    const queue = createWorkQueue({ clock });
    const tries: string[] = [];
    const errors: string[] = [];
    const workers = runWorkers(
      queue,
      2,
      (key) => {
        tries.push(key);
        if (key === "bad" && tries.filter((k) => k === "bad").length < 3) throw new Error("no");
      },
      (error, key) => errors.push(`${key}: ${(error as Error).message}`),
    );
    queue.add("bad");
    queue.add("good");
    await clock.advance(1000);
    expect(tries).toEqual(["bad", "good", "bad", "bad"]);
    expect(errors).toEqual(["bad: no", "bad: no"]);
    expect(queue.failures("bad")).toBe(0);
    queue.shutDown();
    await workers;
    queue.add("late");
    expect(queue.length).toBe(0);
    expect(clock.waiting).toBe(0);
  });

  it("law: whatever is added is worked on after it was added, and never twice at once", async () => {
    const step = fc.oneof(fc.constantFrom("add a", "add b", "add c"), fc.constantFrom("take", "done"));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const queue = createWorkQueue({ clock: new SimulatedClock() });
        const working: string[] = [];
        const owed = new Set<string>();
        for (const text of steps) {
          if (text === "take") {
            if (queue.length === 0) continue;
            const key = (await queue.take())!;
            expect(working).not.toContain(key);
            working.push(key);
            owed.delete(key);
          } else if (text === "done") {
            const key = working.shift();
            if (key !== undefined) queue.done(key);
          } else {
            queue.add(text.slice(4));
            owed.add(text.slice(4));
          }
        }
        for (const key of working.splice(0)) queue.done(key);
        expect(queue.length).toBe(owed.size);
      }),
    );
  });
});
