/** The recent changes of the whole store, kept once for all cursors, with an index by prefix so that a change only touches those it concerns. */
import type { Revision } from "./engine.ts";
import type { StoredEntry } from "./slab.ts";
import { type Change, type Cursor, ExpiredError } from "./state.ts";

/** One change: three words, the rest is the entry's. */
export class StoredChange implements Change {
  readonly type: "put" | "delete";
  readonly entry: StoredEntry;
  readonly previous: StoredEntry | undefined;

  constructor(type: "put" | "delete", entry: StoredEntry, previous: StoredEntry | undefined) {
    this.type = type;
    this.entry = entry;
    this.previous = previous;
  }

  get key(): string {
    return this.entry.key;
  }

  get revision(): Revision {
    return this.entry.revision;
  }
}

/** The cursors of one prefix and where its changes are. */
interface Bucket {
  readonly prefix: string;
  cursors: number;
  /** Sequence numbers of matching changes, ascending, valid from `head` on. */
  sequences: number[];
  head: number;
  /** Matching changes with a sequence below this are not in `sequences`. */
  since: number;
  /** The last matching change that fell off the ring; -1 for none. */
  lost: number;
  readonly waiting: Set<RingCursor>;
}

/** Positions are sequence numbers: a change's index since the ring was made. */
export class Ring {
  #changes: (StoredChange | undefined)[] = [];
  #times: number[] = [];
  /** Index of the oldest kept change in the arrays. */
  #start = 0;
  /** Sequence number of array index 0. */
  #base = 0;
  #bytes = 0;
  #floor: Revision;
  #applied: Revision;
  readonly #buckets = new Map<string, Bucket>();
  /** Prefixes that do not end in "/": their lengths, by the directory they are in. */
  readonly #partial = new Map<string, Map<number, number>>();
  #woken: (() => void)[] = [];

  constructor(floor: Revision) {
    this.#floor = floor;
    this.#applied = floor;
  }

  /** How many changes are kept. */
  get length(): number {
    return this.#changes.length - this.#start;
  }

  /** Bytes of the entries that only the ring keeps. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The oldest revision a cursor can start after. */
  get floor(): Revision {
    return this.#floor;
  }

  /** The time of the oldest change. */
  get oldestTime(): number | undefined {
    return this.#times[this.#start];
  }

  get nextSequence(): number {
    return this.#base + this.#changes.length;
  }

  get applied(): Revision {
    return this.#applied;
  }

  /** All changes up to `revision` are here. Returns the wake functions of cursors that may go on. */
  complete(revision: Revision): (() => void)[] {
    this.#applied = revision;
    const woken = this.#woken;
    if (woken.length > 0) this.#woken = [];
    return woken;
  }

  push(change: StoredChange, time: number): void {
    const sequence = this.nextSequence;
    this.#changes.push(change);
    this.#times.push(time);
    this.#bytes += weight(change);
    if (this.#buckets.size > 0) this.#index(change.key, sequence);
  }

  at(sequence: number): StoredChange {
    return this.#changes[sequence - this.#base]!;
  }

  /** Drops the oldest change and returns it. */
  evict(): StoredChange | undefined {
    const change = this.#changes[this.#start];
    if (change === undefined) return undefined;
    this.#changes[this.#start++] = undefined;
    this.#floor = change.revision;
    this.#bytes -= weight(change);
    if (this.#start >= 256 && this.#start * 2 >= this.#changes.length) {
      this.#changes.splice(0, this.#start);
      this.#times.splice(0, this.#start);
      this.#base += this.#start;
      this.#start = 0;
    }
    return change;
  }

  /** The sequence number of the first kept change with a revision above `revision`. */
  firstAfter(revision: Revision): number {
    return this.#search((index) => this.#changes[index]!.revision > revision);
  }

  /** The revision before the first change that is younger than `time`: anything older is out of the window. */
  revisionAt(time: number): Revision {
    const sequence = this.#search((index) => this.#times[index]! >= time);
    const index = sequence - this.#base - 1;
    return index < this.#start ? this.#floor : this.#changes[index]!.revision;
  }

  #search(test: (index: number) => boolean): number {
    let low = this.#start;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (test(middle)) high = middle;
      else low = middle + 1;
    }
    return this.#base + low;
  }

  cursor(prefix: string, after: Revision): Cursor {
    if (after < this.#floor) throw new ExpiredError(after, this.#floor);
    const sequence = this.firstAfter(after);
    const bucket = this.#bucket(prefix, sequence);
    bucket.cursors++;
    return new RingCursor(this, bucket, sequence, after);
  }

  /** How many distinct prefixes have cursors: for tests. */
  get prefixes(): number {
    return this.#buckets.size;
  }

  /** Ends all cursors with ExpiredError: the changes between `floor` and what they saw are not known. */
  reset(floor: Revision): (() => void)[] {
    this.#base += this.#changes.length;
    this.#changes = [];
    this.#times = [];
    this.#start = 0;
    this.#bytes = 0;
    this.#floor = floor;
    this.#applied = floor;
    for (const bucket of this.#buckets.values()) {
      bucket.sequences = [];
      bucket.head = 0;
      bucket.since = this.#base + 1;
      // Any cursor that stands before the reset lost something; see RingCursor.next.
      bucket.lost = this.#base;
      this.#wake(bucket);
    }
    // The lost mark is one past everything that was there; the next change must come after it.
    this.#base++;
    return this.complete(floor);
  }

  #bucket(prefix: string, from: number): Bucket {
    let bucket = this.#buckets.get(prefix);
    if (bucket === undefined) {
      bucket = {
        prefix,
        cursors: 0,
        sequences: [],
        head: 0,
        since: this.nextSequence,
        lost: -1,
        waiting: new Set(),
      };
      this.#buckets.set(prefix, bucket);
      if (prefix !== "" && !prefix.endsWith("/")) this.#countPartial(prefix, 1);
    }
    if (from < bucket.since) {
      const earlier: number[] = [];
      const end = bucket.since;
      for (let sequence = from; sequence < end; sequence++) {
        if (this.at(sequence).key.startsWith(prefix)) earlier.push(sequence);
      }
      bucket.sequences = earlier.concat(bucket.sequences.slice(bucket.head));
      bucket.head = 0;
      bucket.since = from;
    }
    return bucket;
  }

  #countPartial(prefix: string, by: number): void {
    const directory = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    const lengths = this.#partial.get(directory) ?? new Map<number, number>();
    this.#partial.set(directory, lengths);
    const count = (lengths.get(prefix.length) ?? 0) + by;
    if (count > 0) lengths.set(prefix.length, count);
    else lengths.delete(prefix.length);
    if (lengths.size === 0) this.#partial.delete(directory);
  }

  /** Tells every bucket whose prefix `key` has. */
  #index(key: string, sequence: number): void {
    this.#note("", key, sequence);
    for (let slash = key.indexOf("/"); slash >= 0; slash = key.indexOf("/", slash + 1)) {
      this.#note(key.slice(0, slash + 1), key, sequence);
    }
  }

  #note(directory: string, key: string, sequence: number): void {
    this.#append(directory, sequence);
    const lengths = this.#partial.get(directory);
    if (lengths === undefined) return;
    for (const length of lengths.keys()) if (length <= key.length) this.#append(key.slice(0, length), sequence);
  }

  #append(prefix: string, sequence: number): void {
    const bucket = this.#buckets.get(prefix);
    if (bucket === undefined) return;
    this.trim(bucket);
    bucket.sequences.push(sequence);
    this.#wake(bucket);
  }

  #wake(bucket: Bucket): void {
    for (const cursor of bucket.waiting) this.#woken.push(cursor.takeWake());
    bucket.waiting.clear();
  }

  /** Forgets positions that fell off the ring. */
  trim(bucket: Bucket): void {
    const oldest = this.#base + this.#start;
    const { sequences } = bucket;
    while (bucket.head < sequences.length && sequences[bucket.head]! < oldest) {
      bucket.lost = sequences[bucket.head++]!;
    }
    if (bucket.since < oldest) bucket.since = oldest;
    if (bucket.head >= 64 && bucket.head * 2 >= sequences.length) {
      sequences.splice(0, bucket.head);
      bucket.head = 0;
    }
  }

  /** The last cursor of a prefix takes its index along. */
  leave(bucket: Bucket): void {
    bucket.cursors--;
    if (bucket.cursors > 0 || this.#buckets.get(bucket.prefix) !== bucket) return;
    this.#buckets.delete(bucket.prefix);
    if (bucket.prefix !== "" && !bucket.prefix.endsWith("/")) this.#countPartial(bucket.prefix, -1);
  }
}

/** What a change keeps in memory that nothing else needs: its predecessor, or the last state of a deleted key, and itself. */
function weight(change: StoredChange): number {
  return 300 + (change.previous?.length ?? 0) + (change.type === "delete" ? change.entry.length : 0);
}

class RingCursor implements Cursor {
  readonly #ring: Ring;
  readonly #bucket: Bucket;
  readonly #after: Revision;
  /** Everything before this sequence number has been looked at. */
  #position: number;
  /** A safe revision even when changes were lost: one of several changes of a revision may be the last returned. */
  #returned: Revision;
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(ring: Ring, bucket: Bucket, position: number, after: Revision) {
    this.#ring = ring;
    this.#bucket = bucket;
    this.#position = position;
    this.#after = after;
    this.#returned = after;
  }

  get revision(): Revision {
    if (this.#closed || this.#lost()) return this.#returned;
    const pending = this.#bucket.sequences[this.#index()];
    const reached = pending === undefined ? this.#ring.applied : this.#ring.at(pending).revision - 1;
    return Math.max(this.#after, reached);
  }

  next(max: number): readonly Change[] {
    if (this.#closed) return [];
    if (this.#lost()) throw new ExpiredError(this.#returned, this.#ring.floor);
    const { sequences } = this.#bucket;
    const found: Change[] = [];
    for (let index = this.#index(); index < sequences.length && found.length < max; index++) {
      const sequence = sequences[index]!;
      const change = this.#ring.at(sequence);
      this.#position = sequence + 1;
      // A cursor may start in the future.
      if (change.revision <= this.#after) continue;
      found.push(change);
      this.#returned = change.revision - 1;
    }
    return found;
  }

  onReady(wake: () => void): void {
    if (this.#closed) return;
    this.#wake = wake;
    if (this.#ready()) {
      this.#wake = undefined;
      queueMicrotask(wake);
    } else this.#bucket.waiting.add(this);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake = undefined;
    this.#bucket.waiting.delete(this);
    this.#ring.leave(this.#bucket);
  }

  takeWake(): () => void {
    const wake = this.#wake;
    this.#wake = undefined;
    return () => {
      // A cursor that was closed, or given a new wake, in the meantime.
      if (!this.#closed) wake?.();
    };
  }

  #ready(): boolean {
    return this.#lost() || this.#index() < this.#bucket.sequences.length;
  }

  /** Whether a matching change fell off the ring before it was returned. */
  #lost(): boolean {
    this.#ring.trim(this.#bucket);
    return this.#bucket.lost >= this.#position;
  }

  /** Where `#position` is in the bucket. */
  #index(): number {
    const { sequences, head } = this.#bucket;
    let low = head;
    let high = sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sequences[middle]! < this.#position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
