/** A bounded cache of answers that grow old: by the injected clock, least recently used first to go. */
import type { Clock } from "../../api/clock.ts";

interface Held<V> {
  readonly value: V;
  readonly until: number;
}

export class ExpiringCache<V> {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #held = new Map<string, Held<V>>();

  /** `capacity`: how many entries are kept at most. */
  constructor(clock: Clock, capacity: number) {
    this.#clock = clock;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#held.size;
  }

  get(key: string): V | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    this.#held.delete(key);
    if (held.until <= this.#clock.monotonic()) return undefined;
    this.#held.set(key, held); // now the most recently used
    return held.value;
  }

  /** Keeps `value` for `lifetime` milliseconds; not at all when that is zero. */
  set(key: string, value: V, lifetime: number): void {
    this.#held.delete(key);
    if (lifetime <= 0) return;
    this.#held.set(key, { value, until: this.#clock.monotonic() + lifetime });
    if (this.#held.size > this.#capacity) this.#held.delete(this.#held.keys().next().value!);
  }

  clear(): void {
    this.#held.clear();
  }
}
