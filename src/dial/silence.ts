/** Bodies that stop coming: looked at all together every few seconds, so that a piece that arrives costs an assignment and no timer (spec: security F-05). */
import type { Clock, Timer } from "../api/clock.ts";

/** A body that is on its way. */
export interface Stream {
  /** Rounds since a piece arrived; whoever receives one sets it to 0. */
  quiet: number;
  /** The receiver is not ready: the silence is not the sender's. */
  held: boolean;
  /** Nothing came for too long. */
  silent(): void;
}

export interface SilenceOptions {
  readonly clock: Clock;
  /** Milliseconds without a byte; noticed a third of it later at most. Default 15 s. */
  readonly limit?: number;
}

const ROUNDS = 3;

export class Silence {
  readonly #clock: Clock;
  readonly #round: number;
  readonly #streams = new Set<Stream>();
  #timer: Timer | undefined;

  constructor(options: SilenceOptions) {
    this.#clock = options.clock;
    this.#round = (options.limit ?? 15_000) / ROUNDS;
  }

  get watched(): number {
    return this.#streams.size;
  }

  add(stream: Stream): void {
    this.#streams.add(stream);
    this.#timer ??= this.#clock.after(this.#round, this.#look);
  }

  delete(stream: Stream): void {
    this.#streams.delete(stream);
  }

  readonly #look = () => {
    // Not when the last one ends: most requests come and go between two looks.
    this.#timer = this.#streams.size === 0 ? undefined : this.#clock.after(this.#round, this.#look);
    for (const stream of this.#streams) {
      if (stream.held) stream.quiet = 0;
      // The round in which it began was not a whole one.
      else if (++stream.quiet > ROUNDS) stream.silent();
    }
  };
}
