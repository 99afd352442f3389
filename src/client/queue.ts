/** A work queue: every key at most once, never with two workers at a time, failures retried ever more slowly. */
import type { Clock, Timer } from "../api/clock.ts";

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** The first delay of `addRateLimited`, milliseconds. Default 5. */
  readonly baseDelay?: number;
  /** The longest delay, milliseconds. Default 1,000,000. */
  readonly maxDelay?: number;
}

export interface WorkQueue {
  /** Keys ready to be worked on. */
  readonly length: number;
  /** Adds a key unless it already waits; one that is being worked on comes back when its worker is done. */
  add(key: string): void;
  addAfter(key: string, milliseconds: number): void;
  /** Adds after a delay that doubles with each failure of this key. */
  addRateLimited(key: string): void;
  /** Clears the failures of a key. */
  forget(key: string): void;
  failures(key: string): number;
  /** The next key; undefined once shut down. Every key taken must be given back with `done`. */
  take(): Promise<string | undefined>;
  done(key: string): void;
  /** Waiting workers get undefined, delayed keys are dropped. */
  shutDown(): void;
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const base = options.baseDelay ?? 5;
  const max = options.maxDelay ?? 1_000_000;
  /** Keys that need work; insertion order is the order of the queue for those not in progress. */
  const ready = new Set<string>();
  const working = new Set<string>();
  /** Keys added while a worker had them. */
  const again = new Set<string>();
  const delayed = new Map<string, { at: number; timer: Timer }>();
  const failed = new Map<string, number>();
  const takers: ((key: string | undefined) => void)[] = [];
  let stopped = false;

  const hand = () => {
    while (takers.length > 0 && ready.size > 0) {
      const key = ready.values().next().value!;
      ready.delete(key);
      working.add(key);
      takers.shift()!(key);
    }
  };

  const queue: WorkQueue = {
    get length() {
      return ready.size;
    },
    add(key) {
      if (stopped) return;
      if (working.has(key)) again.add(key);
      else ready.add(key);
      hand();
    },
    addAfter(key, milliseconds) {
      if (stopped) return;
      if (milliseconds <= 0) return queue.add(key);
      const at = options.clock.monotonic() + milliseconds;
      const earlier = delayed.get(key);
      if (earlier !== undefined) {
        if (earlier.at <= at) return;
        earlier.timer.cancel();
      }
      const timer = options.clock.after(milliseconds, () => {
        delayed.delete(key);
        queue.add(key);
      });
      delayed.set(key, { at, timer });
    },
    addRateLimited(key) {
      const count = failed.get(key) ?? 0;
      failed.set(key, count + 1);
      queue.addAfter(key, Math.min(base * 2 ** Math.min(count, 60), max));
    },
    forget(key) {
      failed.delete(key);
    },
    failures: (key) => failed.get(key) ?? 0,
    take() {
      if (stopped) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        takers.push(resolve);
        hand();
      });
    },
    done(key) {
      working.delete(key);
      if (again.delete(key)) queue.add(key);
    },
    shutDown() {
      stopped = true;
      for (const { timer } of delayed.values()) timer.cancel();
      delayed.clear();
      ready.clear();
      again.clear();
      for (const taker of takers.splice(0)) taker(undefined);
    },
  };
  return queue;
}

/**
 * Runs `workers` loops over the queue until it is shut down. A key whose work succeeds is forgotten, one whose work throws is retried
 * with back-off and reported to `onError`.
 */
export async function runWorkers(
  queue: WorkQueue,
  workers: number,
  work: (key: string) => Promise<void> | void,
  onError: (error: unknown, key: string) => void,
): Promise<void> {
  const loop = async () => {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      try {
        await work(key);
        queue.forget(key);
      } catch (error) {
        onError(error, key);
        queue.addRateLimited(key);
      } finally {
        queue.done(key);
      }
    }
  };
  await Promise.all(Array.from({ length: workers }, loop));
}
