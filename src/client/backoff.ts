/** Delays that grow from one failure to the next. */
import type { Random } from "../api/clock.ts";

export interface BackoffOptions {
  /** The first delay, milliseconds. */
  readonly initial: number;
  readonly factor: number;
  /** No delay before jitter is longer, milliseconds. */
  readonly max: number;
  /** Each delay is stretched by a random share of up to this much: 1 means up to twice as long. Default 0. */
  readonly jitter?: number;
}

export interface Backoff {
  /** The next delay, milliseconds. */
  next(): number;
  /** Back to the first delay. */
  reset(): void;
}

export function backoff(random: Random, options: BackoffOptions): Backoff {
  let delay = options.initial;
  return {
    next() {
      const base = Math.min(delay, options.max);
      delay = Math.min(delay * options.factor, options.max);
      return base * (1 + (options.jitter ?? 0) * random.number());
    },
    reset() {
      delay = options.initial;
    },
  };
}
