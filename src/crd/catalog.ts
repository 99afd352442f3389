/** All definitions as digests, by name and by group. */
import { type Digest, digestOf } from "./digest.ts";

export class Catalog {
  readonly #byName = new Map<string, Digest>();
  readonly #byGroup = new Map<string, Map<string, Digest>>();

  get(name: string): Digest | undefined {
    return this.#byName.get(name);
  }

  /** The definitions of one group, in no particular order. */
  ofGroup(group: string): Iterable<Digest> {
    return this.#byGroup.get(group)?.values() ?? [];
  }

  /** Notes what is stored now: canonical JSON, or undefined for nothing. Answers what was known before and what is known now. */
  note(name: string, bytes: Uint8Array | undefined): { before: Digest | undefined; now: Digest | undefined } {
    const before = this.#byName.get(name);
    const now = bytes === undefined ? undefined : digestOf(bytes);
    if (before !== undefined && before.group !== now?.group) {
      const group = this.#byGroup.get(before.group);
      group?.delete(name);
      if (group?.size === 0) this.#byGroup.delete(before.group);
    }
    if (now === undefined) this.#byName.delete(name);
    else {
      this.#byName.set(name, now);
      let group = this.#byGroup.get(now.group);
      if (group === undefined) {
        group = new Map();
        this.#byGroup.set(now.group, group);
      }
      group.set(name, now);
    }
    return { before, now };
  }
}
