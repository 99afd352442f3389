/** How many events one autoscaler may cause: a burst, then one now and then (client-go's constants). */
import type { Clock } from "../../api/clock.ts";

const BURST = 25;
/** One more in this time, milliseconds. */
const REFILL = 300_000;

export interface EventBudget {
  /** Whether one more may go out about `key`. */
  take(key: string): boolean;
  forget(key: string): void;
}

export function eventBudget(clock: Clock): EventBudget {
  const spent = new Map<string, { left: number; at: number }>();
  return {
    take(key) {
      const now = clock.monotonic();
      const known = spent.get(key) ?? { left: BURST, at: now };
      const left = Math.min(BURST, known.left + (now - known.at) / REFILL);
      spent.set(key, { left: left >= 1 ? left - 1 : left, at: now });
      return left >= 1;
    },
    forget: (key) => void spent.delete(key),
  };
}
