/** Who wants to hear of changes. A subscriber that throws is reported, and the others still hear. */
import type { ListerEvents } from "./lister.ts";

export class Subscriptions<T> {
  readonly #members = new Set<ListerEvents<T>>();
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Tells of the objects already here, and from then on of changes. Subscribing twice is two subscriptions. Returns how to stop. */
  add(events: ListerEvents<T>, present: Iterable<T>): () => void {
    const member: ListerEvents<T> = {
      added: (object) => events.added?.(object),
      updated: (object, old) => events.updated?.(object, old),
      deleted: (object) => events.deleted?.(object),
    };
    for (const object of present) this.#call(member, (to) => to.added?.(object));
    this.#members.add(member);
    return () => {
      this.#members.delete(member);
    };
  }

  added(object: T): void {
    this.#tell((to) => to.added?.(object));
  }

  updated(object: T, old: T): void {
    this.#tell((to) => to.updated?.(object, old));
  }

  deleted(object: T): void {
    this.#tell((to) => to.deleted?.(object));
  }

  clear(): void {
    this.#members.clear();
  }

  /** Who stops while others are told hears nothing more. */
  #tell(call: (to: ListerEvents<T>) => void): void {
    for (const member of [...this.#members]) if (this.#members.has(member)) this.#call(member, call);
  }

  #call(member: ListerEvents<T>, call: (to: ListerEvents<T>) => void): void {
    try {
      call(member);
    } catch (error) {
      this.#onError(error);
    }
  }
}
