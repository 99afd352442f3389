/** What wakes a watcher: new changes, the time for a bookmark, its deadline, the client leaving. */
import type { Clock, Timer } from "../../api/clock.ts";

/** Between two bookmarks, in milliseconds. */
export const BOOKMARK_INTERVAL = 60_000;
/** The last bookmark comes this long before the deadline. */
export const BEFORE_DEADLINE = 2000;

/** What timers can hold: 24 days. */
const LONGEST = 2 ** 31 - 1;

export class WatchTimers {
  readonly #clock: Clock;
  readonly #signals: readonly AbortSignal[];
  readonly #deadline: Timer;
  readonly #last: Timer | undefined;
  #bookmark: Timer | undefined;
  #wake: (() => void) | undefined;
  bookmarkDue = false;
  /** Time is up, or the client or the resource is gone. */
  over = false;

  /** `timeout`: milliseconds. */
  constructor(clock: Clock, signals: readonly AbortSignal[], timeout: number, bookmarks: boolean) {
    this.#clock = clock;
    this.#signals = signals;
    timeout = Math.min(timeout, LONGEST);
    this.#deadline = clock.after(timeout, this.#finish);
    if (bookmarks) {
      this.#scheduleBookmark();
      if (timeout > BEFORE_DEADLINE) this.#last = clock.after(timeout - BEFORE_DEADLINE, this.#due);
    }
    for (const signal of signals) {
      if (signal.aborted) this.over = true;
      else signal.addEventListener("abort", this.#finish, { once: true });
    }
  }

  #scheduleBookmark(): void {
    this.#bookmark = this.#clock.after(BOOKMARK_INTERVAL, () => {
      this.#scheduleBookmark();
      this.#due();
    });
  }

  readonly #due = () => {
    this.bookmarkDue = true;
    this.wake();
  };

  readonly #finish = () => {
    this.over = true;
    this.wake();
  };

  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Resolves at the next `wake`, timer or abort. */
  next(): Promise<void> {
    if (this.over || this.bookmarkDue) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  stop(): void {
    this.#deadline.cancel();
    this.#last?.cancel();
    this.#bookmark?.cancel();
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#finish);
  }
}
