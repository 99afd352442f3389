/** Stored bytes, many objects to one buffer: an object then costs no `ArrayBuffer` of its own (DESIGN, decision 1). */

import type { Revision } from "./engine.ts";
import { findSlot } from "./slot.ts";
import type { Entry } from "./state.ts";

/** The first slab of a store: an empty one in a test must stay small. */
const FIRST = 16 * 1024;
const LARGEST = 256 * 1024;
/** Values above this get a slab of their own size. */
const OWN = LARGEST / 8;

/** One buffer and what lives in it. */
interface Slab {
  readonly bytes: Buffer;
  used: number;
  /** Bytes of entries that are still reachable through the state or its history. */
  live: number;
  /** Those entries and some dead ones; a slab that is mostly dead is emptied by moving them. */
  entries: StoredEntry[];
}

/** An entry is an object of the house's own, with its bytes elsewhere: moving the bytes moves them for every snapshot. */
export class StoredEntry implements Entry {
  readonly key: string;
  readonly revision: Revision;
  memo: unknown = undefined;
  slab: Slab;
  offset = 0;
  length = 0;
  dead = false;

  constructor(key: string, revision: Revision, slab: Slab) {
    this.key = key;
    this.revision = revision;
    this.slab = slab;
  }

  get value(): Uint8Array {
    return this.slab.bytes.subarray(this.offset, this.offset + this.length);
  }
}

/** Allocates entries and takes them back. */
export class Slabs {
  #current: Slab = newSlab(FIRST);
  #next = FIRST;
  /** Bytes of all slabs that hold something alive. */
  #held = FIRST;

  get heldBytes(): number {
    return this.#held;
  }

  /** A new entry of `value` with `revision` spliced into its slot. */
  store(key: string, revision: Revision, value: Uint8Array): StoredEntry {
    const slot = findSlot(value);
    const digits = String(revision);
    const length = slot === undefined ? value.length : value.length - (slot.end - slot.start) + digits.length;
    const entry = this.#allocate(key, revision, length);
    const { bytes } = entry.slab;
    if (slot === undefined) {
      bytes.set(value, entry.offset);
    } else {
      bytes.set(value.subarray(0, slot.start), entry.offset);
      bytes.write(digits, entry.offset + slot.start, "latin1");
      bytes.set(value.subarray(slot.end), entry.offset + slot.start + digits.length);
    }
    return entry;
  }

  /** Nothing reaches `entry` any more but, perhaps, an old snapshot: that one keeps the buffer alive by itself. */
  free(entry: StoredEntry): void {
    if (entry.dead) return;
    entry.dead = true;
    const { slab } = entry;
    slab.live -= entry.length;
    if (slab === this.#current) return;
    if (slab.live === 0) {
      this.#held -= slab.bytes.length;
      slab.entries = [];
    } else if (slab.live < slab.bytes.length >>> 2) {
      this.#move(slab);
    }
  }

  /** Copies what is left of a mostly dead slab to the current one. */
  #move(slab: Slab): void {
    const { bytes, entries } = slab;
    slab.entries = [];
    slab.live = 0;
    this.#held -= bytes.length;
    for (const entry of entries) {
      if (entry.dead) continue;
      const target = this.#room(entry.length);
      target.bytes.set(bytes.subarray(entry.offset, entry.offset + entry.length), target.used);
      this.#place(entry, target, entry.length);
    }
  }

  #allocate(key: string, revision: Revision, length: number): StoredEntry {
    const slab = this.#room(length);
    const entry = new StoredEntry(key, revision, slab);
    this.#place(entry, slab, length);
    return entry;
  }

  #place(entry: StoredEntry, slab: Slab, length: number): void {
    entry.slab = slab;
    entry.offset = slab.used;
    entry.length = length;
    slab.used += length;
    slab.live += length;
    slab.entries.push(entry);
  }

  #room(length: number): Slab {
    if (length > OWN) {
      this.#held += length;
      return newSlab(length);
    }
    if (this.#current.used + length > this.#current.bytes.length) {
      const full = this.#current;
      this.#next = Math.min(LARGEST, Math.max(this.#next * 2, length));
      this.#current = newSlab(this.#next);
      this.#held += this.#next;
      if (full.live === 0) {
        this.#held -= full.bytes.length;
        full.entries = [];
      } else if (full.live < full.bytes.length >>> 2) this.#move(full);
      // Moving may have filled the new one.
      return this.#room(length);
    }
    return this.#current;
  }
}

function newSlab(size: number): Slab {
  return { bytes: Buffer.allocUnsafeSlow(size), used: 0, live: 0, entries: [] };
}
