/** The seam between what is durable and what is served: every engine stores bytes under keys and orders all changes by one revision. */

/** One counter for the whole store; always a safe integer. 0 means "nothing yet". */
export type Revision = number;

/** A key with its value as stored: canonical JSON whose `resourceVersion` slot is empty. */
export interface Row {
  readonly key: string;
  readonly value: Uint8Array;
  /** The revision of the last write of this key. */
  readonly revision: Revision;
}

/** One row of a change: `value` undefined means the key was removed at `revision`. */
export interface ChangedRow {
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly revision: Revision;
}

/** A write to one key. `expected` is the revision the key must have, 0 when it must not exist. */
export interface Write {
  readonly key: string;
  readonly expected: Revision;
  /** undefined removes the key. */
  readonly value: Uint8Array | undefined;
  /** Seconds after which the engine removes the key by itself (Events); engines may round up. */
  readonly ttlSeconds?: number;
}

/** `committed: false` means that the key's revision was not the expected one; `revision` is then the key's current one, 0 when absent. */
export interface CommitResult {
  readonly committed: boolean;
  readonly revision: Revision;
}

/** Rows of one or more revisions, in order, and the last revision that is now complete. */
export interface Feed {
  readonly revision: Revision;
  readonly rows: readonly ChangedRow[];
}

export interface Engine {
  readonly name: string;
  /**
   * Other processes write the same store, perhaps programs of others: values may be in any form, and history is not ours to forget
   * (the engine sees to that by itself). Default: this process is alone.
   */
  readonly shared?: boolean;
  open(): Promise<void>;
  /**
   * Everything under `prefix` in key order, in pages, as it was at one revision: `at`, or the current head. At least one page,
   * be it empty: it carries the revision. Throws ExpiredError when `at` is compacted.
   */
  scan(prefix: string, at?: Revision): AsyncIterable<{ readonly revision: Revision; readonly rows: readonly Row[] }>;
  /**
   * Resolves when the write is durable, and never before. Removing a key that does not exist is never committed.
   * Rejects with a StoreError when it is not known to be durable.
   */
  commit(write: Write): Promise<CommitResult>;
  /**
   * Calls `listener` with all changes after `after`, in total order and without a gap, until `signal` aborts; then resolves.
   * A row is shown when it is durable, and before or while its `commit` resolves. Rejects with ExpiredError when `after` is compacted.
   */
  feed(after: Revision, listener: (feed: Feed) => void, signal: AbortSignal): Promise<void>;
  /** The last durable revision: a read that starts now must see at least this one. */
  head(): Promise<Revision>;
  /** Why nothing is written any more until the engine is opened again; undefined while all is well, and for engines that recover by themselves. */
  trouble?(): Error | undefined;
  /** The oldest revision that `scan` and `feed` can still start at, if the engine knows: what it is replayed from after a restart. */
  oldest?(): Promise<Revision>;
  /** Forgets history before `revision`: `scan` at it and `feed` after it still work. */
  compact(revision: Revision): Promise<void>;
  close(): Promise<void>;
}
