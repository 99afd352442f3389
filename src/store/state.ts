/** What the store offers to the rest of the house: snapshots, compare-and-swap, and cursors over changes. Bytes and revisions; knows no Pod. */
import type { Revision } from "./engine.ts";

/** One stored object. Immutable but for `memo`. */
export interface Entry {
  readonly key: string;
  readonly revision: Revision;
  /** Wire-ready canonical JSON: the engine's value with `revision` spliced into its resourceVersion slot. */
  readonly value: Uint8Array;
  /** Whatever a reader derived from `value` and wants to find again (selector attributes, a parsed object, encodings). Dropped with the entry. */
  memo: unknown;
}

/** All keys at one revision. Taking one is free; holding one keeps its memory. */
export interface Snapshot {
  readonly revision: Revision;
  get(key: string): Entry | undefined;
  /** Entries whose key starts with `prefix`, in key order, starting at the first key >= `start` when given. */
  range(prefix: string, start?: string): Iterable<Entry>;
  /** How many keys start with `prefix`; O(log n). */
  count(prefix: string): number;
}

export interface Change {
  readonly type: "put" | "delete";
  readonly key: string;
  readonly revision: Revision;
  /** After the change. For a delete: the last state, its resourceVersion slot holding the delete's revision. */
  readonly entry: Entry;
  /** Before the change; undefined for a key that did not exist. */
  readonly previous: Entry | undefined;
}

/** A position in the ring of changes. Pull, never push: a reader that does not read costs nothing. */
export interface Cursor {
  /** Everything up to here has been returned by `next` (or does not match the prefix): a safe revision for a bookmark. */
  readonly revision: Revision;
  /** The next changes (at most `max`, in order), or an empty array when there is none yet. Throws ExpiredError when the ring moved past. */
  next(max: number): readonly Change[];
  /** Calls `wake` once as soon as `next` may return something; replaces an earlier one. */
  onReady(wake: () => void): void;
  close(): void;
}

/** A stored value as this process keeps it, or why it cannot read it. */
export type Reading = Uint8Array | { readonly unreadable: string };

/**
 * Turns bytes that others may have written (another encoding, another version, another order of fields) into canonical JSON with an
 * empty resourceVersion slot. Never throws. Answers the same array when the bytes are fine as they are.
 */
export type ReadStored = (key: string, value: Uint8Array) => Reading;

/** A revision is no longer kept. `oldest` is the oldest one that is. */
export class ExpiredError extends Error {
  readonly asked: Revision;
  readonly oldest: Revision;

  constructor(asked: Revision, oldest: Revision) {
    super(`revision ${asked} is compacted; the oldest kept is ${oldest}`);
    this.name = "ExpiredError";
    this.asked = asked;
    this.oldest = oldest;
  }
}

/** `current` is the state the write lost against: undefined when the key does not exist. */
export type StateCommit =
  | { readonly committed: true; readonly entry: Entry; readonly revision: Revision }
  | { readonly committed: false; readonly current: Entry | undefined };

export interface StateWrite {
  readonly key: string;
  /** The revision the key must have; 0: it must not exist. */
  readonly expected: Revision;
  /** Canonical JSON with an empty resourceVersion slot; undefined removes the key. */
  readonly value: Uint8Array | undefined;
  readonly ttlSeconds?: number;
  /** Becomes the new entry's `memo`: what the writer knows of the object and a reader then need not parse. */
  readonly memo?: unknown;
}

export interface State {
  /** The last revision applied here. */
  readonly revision: Revision;
  /** Why no write is taken any more: only opening the store again helps. */
  readonly trouble: Error | undefined;
  /** Why the stored value of `key` cannot be shown; undefined when it can, or when there is none. What cannot be read is in no snapshot. */
  unreadable(key: string): string | undefined;
  /** The engine's durable head: await it, then `reached(head)`, for a consistent read. */
  head(): Promise<Revision>;
  /** Resolves when `revision` is applied. Rejects with the signal's reason when it aborts first. */
  reached(revision: Revision, signal?: AbortSignal): Promise<void>;
  /** The snapshot at `revision` (the property). */
  view(): Snapshot;
  /** The snapshot at an exact past revision; throws ExpiredError when it is no longer kept. */
  at(revision: Revision): Snapshot;
  /** Resolves when the write is durable *and* applied here. */
  commit(write: StateWrite): Promise<StateCommit>;
  /** A cursor over changes with revision > `after` under `prefix`. Throws ExpiredError at once when `after` is no longer in the ring. */
  cursor(prefix: string, after: Revision): Cursor;
  close(): Promise<void>;
}
