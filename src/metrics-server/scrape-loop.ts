/** When to scrape: at once, then at every multiple of the resolution since the start; a round that takes too long is followed by one other, not by all that were missed (spec: metrics 2.1). */
import type { Clock } from "../api/clock.ts";

export interface ScrapeLoopOptions {
  readonly clock: Clock;
  readonly resolutionMilliseconds: number;
  /** One round. `signal` aborts after one resolution, and when the loop stops. Its failure is the loop's: it must not reject. */
  tick(signal: AbortSignal): Promise<void>;
  /** Repeat every two seconds, for one resolution at most, until this is true: the first readings are there 2 s and not a resolution after the start. */
  quickUntil?(): boolean;
}

const QUICK_MILLISECONDS = 2000;

export class ScrapeLoop {
  readonly #options: ScrapeLoopOptions;
  readonly #stop = new AbortController();
  #lastTickStart: number | undefined;
  #running: Promise<void> | undefined;

  constructor(options: ScrapeLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when the round under way has ended. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("scraping stops"));
    await this.#running;
  }

  /** Whether the last round began no longer than one and a half resolutions ago. */
  get timely(): boolean {
    if (this.#lastTickStart === undefined) return true;
    const { clock, resolutionMilliseconds } = this.#options;
    return clock.monotonic() - this.#lastTickStart <= 1.5 * resolutionMilliseconds;
  }

  async #run(): Promise<void> {
    const { clock, resolutionMilliseconds, quickUntil } = this.#options;
    const { signal } = this.#stop;
    const began = clock.monotonic();
    await this.#tick(began);
    if (quickUntil !== undefined) {
      while (
        !signal.aborted &&
        !quickUntil() &&
        clock.monotonic() + QUICK_MILLISECONDS < began + resolutionMilliseconds
      ) {
        await this.#sleep(QUICK_MILLISECONDS);
        if (!signal.aborted) await this.#tick(clock.monotonic());
      }
    }
    let due = began + resolutionMilliseconds;
    while (!signal.aborted) {
      const late = clock.monotonic() - due;
      if (late < 0) await this.#sleep(-late);
      if (signal.aborted) return;
      const start = due;
      // As Go's ticker: one missed round is kept, later ones are dropped, the rhythm stays.
      due += resolutionMilliseconds * Math.max(1, Math.floor(Math.max(0, late) / resolutionMilliseconds) + 1);
      await this.#tick(start);
    }
  }

  async #sleep(milliseconds: number): Promise<void> {
    await this.#options.clock.sleep(milliseconds, this.#stop.signal).catch(() => undefined);
  }

  async #tick(start: number): Promise<void> {
    const { clock, resolutionMilliseconds, tick } = this.#options;
    this.#lastTickStart = start;
    const abort = new AbortController();
    const deadline = clock.after(resolutionMilliseconds, () => abort.abort(new Error("the round took too long")));
    const onStop = () => abort.abort(this.#stop.signal.reason);
    this.#stop.signal.addEventListener("abort", onStop, { once: true });
    try {
      await tick(abort.signal);
    } finally {
      deadline.cancel();
      this.#stop.signal.removeEventListener("abort", onStop);
    }
  }
}
