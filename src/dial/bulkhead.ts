/** How much of the server one backend may hold: requests in flight and requests waiting, both bounded. */
import { tooManyRequests } from "../api/status.ts";

export interface BulkheadOptions {
  /** Requests in flight at once. Default 400. */
  readonly inFlight?: number;
  /** Requests waiting for their turn. Default 400. */
  readonly queue?: number;
  /** Long-running requests (watches, logs), which are counted apart. Default 10,000. */
  readonly longRunning?: number;
}

export class Bulkhead {
  readonly #limit: number;
  readonly #queueLimit: number;
  readonly #longLimit: number;
  readonly #waiting: (() => void)[] = [];
  #active = 0;
  #long = 0;

  constructor(options: BulkheadOptions = {}) {
    this.#limit = options.inFlight ?? 400;
    this.#queueLimit = options.queue ?? 400;
    this.#longLimit = options.longRunning ?? 10_000;
  }

  get inFlight(): number {
    return this.#active;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get longRunning(): number {
    return this.#long;
  }

  /**
   * Resolves with a release function once there is room, at once when there is. Throws a 429 StatusError when the queue is full, and the
   * signal's reason when it aborts while waiting.
   */
  enter(longRunning: boolean, signal: AbortSignal): (() => void) | Promise<() => void> {
    if (longRunning) {
      if (this.#long >= this.#longLimit) throw full();
      this.#long++;
      return once(() => {
        this.#long--;
      });
    }
    const leave = () => {
      // Hand the place on: it stays taken.
      const next = this.#waiting.shift();
      if (next !== undefined) next();
      else this.#active--;
    };
    if (this.#active < this.#limit) {
      this.#active++;
      return once(leave);
    }
    if (this.#waiting.length >= this.#queueLimit) throw full();
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        const index = this.#waiting.indexOf(turn);
        if (index >= 0) this.#waiting.splice(index, 1);
        reject(signal.reason);
      };
      const turn = () => {
        signal.removeEventListener("abort", onAbort);
        resolve(once(leave));
      };
      this.#waiting.push(turn);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}

const full = () => tooManyRequests("too many requests to this backend, please try again later", 1);

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
