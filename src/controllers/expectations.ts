/** What a controller has asked for and not seen yet: until then its copy of the world is behind, and counting in it would do everything twice. */
import type { Clock } from "../api/clock.ts";

/** Events get lost; after this long nobody waits for them any more, milliseconds. */
const PATIENCE = 5 * 60_000;

interface Pending {
  creations: number;
  readonly deletions: Set<string>;
  readonly since: number;
}

export class Expectations {
  readonly #clock: Clock;
  readonly #pending = new Map<string, Pending>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether everything the key waited for has been seen, or was waited for long enough. */
  satisfied(key: string): boolean {
    const pending = this.#pending.get(key);
    if (pending === undefined) return true;
    if (pending.creations <= 0 && pending.deletions.size === 0) return true;
    return this.#clock.monotonic() - pending.since > PATIENCE;
  }

  expectCreations(key: string, count: number): void {
    this.#pending.set(key, { creations: count, deletions: new Set(), since: this.#clock.monotonic() });
  }

  /** `objects`: by their uid. */
  expectDeletions(key: string, objects: Iterable<string>): void {
    this.#pending.set(key, { creations: 0, deletions: new Set(objects), since: this.#clock.monotonic() });
  }

  /** Seen, or given up. */
  created(key: string): void {
    const pending = this.#pending.get(key);
    if (pending !== undefined) pending.creations--;
  }

  /** Seen, or given up; telling it twice does no harm. */
  deleted(key: string, object: string): void {
    this.#pending.get(key)?.deletions.delete(object);
  }

  forget(key: string): void {
    this.#pending.delete(key);
  }
}
