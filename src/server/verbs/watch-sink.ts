/** Where watch frames go: coalesced, as fast as the client takes them and no faster, closed when it takes none (spec: apiserver 4.4). */
import type { Clock } from "../../api/clock.ts";
import type { Exchange } from "../exchange.ts";

/** A client that takes no byte for this long, in milliseconds, is cut off. */
export const STALLED_AFTER = 5000;
/** Frames are joined up to about this many bytes; longer ones are written in pieces of it. */
const PIECE = 64 * 1024;

export class WatchSink {
  readonly #exchange: Exchange;
  readonly #clock: Clock;
  #held: Uint8Array[] = [];
  #size = 0;
  /** The stream is over: the client is gone, stalled, or was told good-bye. */
  closed = false;

  constructor(exchange: Exchange, clock: Clock) {
    this.#exchange = exchange;
    this.#clock = clock;
  }

  /** Holds the frame back until enough are together; undefined unless the caller must wait. */
  push(frame: Uint8Array): Promise<void> | undefined {
    this.#held.push(frame);
    this.#size += frame.length;
    return this.#size >= PIECE ? this.flush() : undefined;
  }

  async flush(): Promise<void> {
    if (this.#size === 0 || this.closed) return;
    const bytes = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held, this.#size);
    this.#held = [];
    this.#size = 0;
    for (let at = 0; at < bytes.length; at += PIECE) {
      if (this.#exchange.signal.aborted) this.closed = true;
      if (this.closed) return;
      const piece = bytes.length <= PIECE ? bytes : bytes.subarray(at, at + PIECE);
      if (!this.#exchange.response.write(piece)) await this.#drained();
    }
  }

  async #drained(): Promise<void> {
    let stalled = false;
    let timer: { cancel(): void } | undefined;
    const stall = new Promise<void>((resolve) => {
      timer = this.#clock.after(STALLED_AFTER, () => {
        stalled = true;
        resolve();
      });
    });
    await Promise.race([this.#exchange.response.drained(), stall]);
    timer?.cancel();
    if (!stalled) return;
    this.closed = true;
    this.#exchange.response.abort();
  }

  async end(): Promise<void> {
    await this.flush();
    if (this.closed) return;
    this.closed = true;
    this.#exchange.response.end();
  }
}
