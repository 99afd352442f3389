/** The state over an engine: everything in memory, ordered, with history; fed by the engine and by nothing else, so that what is visible is durable. */
import type { Clock, Timer } from "../api/clock.ts";
import type { Engine, Feed, Revision } from "./engine.ts";
import { StoreError } from "./errors.ts";
import { Ring, StoredChange } from "./ring.ts";
import { Slabs, type StoredEntry } from "./slab.ts";
import {
  type Cursor,
  type Entry,
  ExpiredError,
  type ReadStored,
  type Snapshot,
  type State,
  type StateCommit,
  type StateWrite,
} from "./state.ts";
import { Tree, type TreeView } from "./tree.ts";

/** How much of the past is kept (spec: apiserver 4.6). */
export interface History {
  /** Changes younger than this are kept, and exact reads are answered up to this age. Default 5 minutes. */
  readonly milliseconds: number;
  /** At least this many changes are kept for cursors, however old. Default 1,000. */
  readonly minChanges: number;
  /** Never more than this many, however young. Default 200,000. */
  readonly maxChanges: number;
  /** Never more bytes than this in superseded values. Default 256 MiB. */
  readonly maxBytes: number;
}

export interface StateOptions {
  readonly clock: Clock;
  readonly history?: Partial<History>;
  /** For a store that others write too; default: every value is canonical already. */
  readonly read?: ReadStored;
  /** Told when the feed breaks for good (the state then serves what it has and refuses writes) or had to start anew. */
  readonly onTrouble?: (error: unknown) => void;
}

const DEFAULT_HISTORY: History = {
  milliseconds: 5 * 60_000,
  minChanges: 1_000,
  maxChanges: 200_000,
  maxBytes: 256 * 1024 * 1024,
};

/** A view is kept every so many changes; a past revision is the next kept view with the changes between undone. */
const CHECKPOINT = 4_096;
/** Changes from before the start that are read again at most: they delay it. */
const REPLAYED = 50_000;
/** Between attempts to load a store anew, milliseconds. */
const RELOAD_FIRST = 250;
const RELOAD_MOST = 5_000;
/** Reconstructed snapshots that are kept because pages of one list ask for them again. */
const RECENT = 16;

interface Pending {
  readonly write: StateWrite;
  entry: StoredEntry | undefined;
}

interface Waiter {
  readonly revision: Revision;
  resolve(): void;
  reject(reason: unknown): void;
}

interface Checkpoint {
  readonly revision: Revision;
  readonly view: TreeView<StoredEntry>;
}

class StoredSnapshot implements Snapshot {
  readonly revision: Revision;
  readonly #view: TreeView<StoredEntry>;

  constructor(revision: Revision, view: TreeView<StoredEntry>) {
    this.revision = revision;
    this.#view = view;
  }

  get checkpoint(): Checkpoint {
    return { revision: this.revision, view: this.#view };
  }

  get(key: string): Entry | undefined {
    return this.#view.get(key);
  }

  range(prefix: string, start?: string): Iterable<Entry> {
    return this.#view.range(prefix, start);
  }

  count(prefix: string): number {
    return this.#view.count(prefix);
  }
}

/** Opens `engine`, loads it, and keeps following it. Takes ownership: closing the state closes the engine. */
export async function openState(engine: Engine, options: StateOptions): Promise<State> {
  const state = new EngineState(engine, options);
  try {
    await state.start();
  } catch (error) {
    await state.close();
    throw error;
  }
  return state;
}

class EngineState implements State {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #history: History;
  readonly #onTrouble: (error: unknown) => void;
  readonly #read: ReadStored | undefined;
  /** Keys whose value cannot be read, and why. */
  #unreadable = new Map<string, string>();
  readonly #abort = new AbortController();
  #tree = new Tree<StoredEntry>();
  #slabs = new Slabs();
  #ring = new Ring(0);
  #snapshot: StoredSnapshot | undefined;
  #checkpoints: Checkpoint[] = [];
  #changesSinceCheckpoint = 0;
  #recent: StoredSnapshot[] = [];
  /** Ascending by revision. */
  #waiters: Waiter[] = [];
  /** Writes of this process that the feed has not shown yet, by key. */
  readonly #pending = new Map<string, Pending[]>();
  #toWake: (() => void)[] = [];
  #sweep: Timer | undefined;
  #following: Promise<void> = Promise.resolve();
  #closed: StoreError | undefined;

  constructor(engine: Engine, options: StateOptions) {
    this.#engine = engine;
    this.#clock = options.clock;
    this.#history = { ...DEFAULT_HISTORY, ...options.history };
    this.#onTrouble = options.onTrouble ?? (() => {});
    this.#read = options.read;
  }

  async start(): Promise<void> {
    await this.#engine.open();
    // What the engine still knows of the past is replayed, so that watches survive a restart.
    const head = await this.#engine.head();
    const oldest = Math.max(
      (await this.#engine.oldest?.()) ?? head,
      head - Math.min(REPLAYED, this.#history.maxChanges),
    );
    try {
      await this.#load(oldest);
    } catch (error) {
      if (!(error instanceof ExpiredError)) throw error;
      // Another server compacted meanwhile.
      await this.#load();
    }
    this.#follow();
    await this.reached(head);
    this.#scheduleSweep();
  }

  get revision(): Revision {
    return this.#ring.applied;
  }

  get trouble(): Error | undefined {
    return this.#closed ?? this.#engine.trouble?.();
  }

  unreadable(key: string): string | undefined {
    return this.#unreadable.get(key);
  }

  head(): Promise<Revision> {
    return this.#engine.head();
  }

  reached(revision: Revision, signal?: AbortSignal): Promise<void> {
    if (revision <= this.revision) return Promise.resolve();
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise<void>((resolve, reject) => {
      const settle = (settled: () => void) => () => {
        signal?.removeEventListener("abort", onAbort);
        settled();
      };
      const waiter: Waiter = { revision, resolve: settle(resolve), reject: (reason) => settle(() => reject(reason))() };
      const onAbort = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      // Nearly always the last place.
      let at = this.#waiters.length;
      while (at > 0 && this.#waiters[at - 1]!.revision > revision) at--;
      this.#waiters.splice(at, 0, waiter);
    });
  }

  view(): Snapshot {
    this.#snapshot ??= new StoredSnapshot(this.revision, this.#tree.view());
    return this.#snapshot;
  }

  at(revision: Revision): Snapshot {
    if (revision === this.revision) return this.view();
    if (revision > this.revision) throw new RangeError(`revision ${revision} is not reached yet`);
    const oldest = this.#exactFloor();
    if (revision < oldest) throw new ExpiredError(revision, oldest);
    const known = this.#recent.findIndex((snapshot) => snapshot.revision === revision);
    const snapshot = known >= 0 ? this.#recent.splice(known, 1)[0]! : this.#reconstruct(revision);
    this.#recent.push(snapshot);
    if (this.#recent.length > RECENT) this.#recent.shift();
    return snapshot;
  }

  async commit(write: StateWrite): Promise<StateCommit> {
    if (this.#closed !== undefined) throw this.#closed;
    const pending: Pending = { write, entry: undefined };
    const others = this.#pending.get(write.key);
    if (others === undefined) this.#pending.set(write.key, [pending]);
    else others.push(pending);
    try {
      const { key, expected, value, ttlSeconds } = write;
      const result = await this.#engine.commit({ key, expected, value, ttlSeconds });
      if (result.committed) {
        await this.reached(result.revision);
        const entry = pending.entry ?? this.#entryAt(write.key, result.revision);
        return { committed: true, entry, revision: result.revision };
      }
      // Absent here means that it may just have been deleted: the delete must have been applied.
      await this.reached(result.revision > 0 ? result.revision : await this.#engine.head());
      return { committed: false, current: this.#tree.get(write.key) };
    } finally {
      const mine = this.#pending.get(write.key)!;
      if (mine.length === 1) this.#pending.delete(write.key);
      else mine.splice(mine.indexOf(pending), 1);
    }
  }

  cursor(prefix: string, after: Revision): Cursor {
    return this.#ring.cursor(prefix, after);
  }

  async close(): Promise<void> {
    this.#fail(new StoreError("STORE_CLOSED", "the store is closed"));
    this.#sweep?.cancel();
    this.#abort.abort();
    await this.#following;
    await this.#engine.close();
  }

  /** Reads everything as it was at `at`. */
  async #load(at?: Revision): Promise<void> {
    const tree = new Tree<StoredEntry>();
    const slabs = new Slabs();
    let revision = 0;
    this.#unreadable = new Map();
    for await (const page of this.#engine.scan("", at)) {
      revision = page.revision;
      for (const row of page.rows) {
        const value = this.#readable(row.key, row.value);
        if (value !== undefined) tree.set(row.key, slabs.store(row.key, row.revision, value));
      }
    }
    this.#tree = tree;
    this.#slabs = slabs;
    this.#snapshot = undefined;
    this.#recent = [];
    this.#checkpoints = [];
    this.#changesSinceCheckpoint = 0;
    this.#wakeLater(this.#ring.reset(revision));
    this.#releaseWaiters();
  }

  #follow(): void {
    this.#following = this.#engine
      .feed(this.revision, (feed) => this.#apply(feed), this.#abort.signal)
      .then(
        () => {},
        async (error: unknown) => {
          if (this.#abort.signal.aborted) return;
          this.#onTrouble(error);
          if (error instanceof ExpiredError) {
            // The engine compacted what was not seen yet: start anew, as a reader of the API would.
            try {
              await this.#reload();
              if (!this.#abort.signal.aborted) this.#follow();
              return;
            } catch (reload) {
              this.#onTrouble(reload);
              error = reload;
            }
          }
          const message = error instanceof Error ? error.message : String(error);
          this.#fail(
            error instanceof StoreError
              ? error
              : new StoreError("STORE_CLOSED", `the store's feed ended: ${message}`, { cause: error }),
          );
        },
      );
  }

  /** Loads anew, as often as it takes: a store on another machine may be away just now, or be compacted once more. */
  async #reload(): Promise<void> {
    for (let pause = RELOAD_FIRST; ; pause = Math.min(pause * 2, RELOAD_MOST)) {
      try {
        return await this.#load();
      } catch (error) {
        const passing =
          error instanceof ExpiredError || (error instanceof StoreError && error.code === "STORE_UNAVAILABLE");
        if (!passing || this.#abort.signal.aborted) throw error;
        this.#onTrouble(error);
      }
      await this.#clock.sleep(pause, this.#abort.signal);
    }
  }

  #apply(feed: Feed): void {
    const now = this.#clock.monotonic();
    this.#snapshot = undefined;
    for (const row of feed.rows) {
      const previous = this.#tree.get(row.key);
      let change: StoredChange;
      const value = this.#readable(row.key, row.value);
      if (value === undefined) {
        // A delete of what is not here: seen twice, or a key that came and went within one revision.
        if (previous === undefined) continue;
        const last = this.#slabs.store(row.key, row.revision, previous.value);
        this.#tree.delete(row.key);
        change = new StoredChange("delete", last, previous);
      } else {
        const entry = this.#slabs.store(row.key, row.revision, value);
        this.#tree.set(row.key, entry);
        change = new StoredChange("put", entry, previous);
      }
      this.#recognize(change, row.value);
      this.#ring.push(change, now);
      this.#changesSinceCheckpoint++;
    }
    this.#wakeLater(this.#ring.complete(Math.max(feed.revision, this.revision)));
    if (this.#changesSinceCheckpoint >= CHECKPOINT) {
      this.#changesSinceCheckpoint = 0;
      this.#checkpoints.push({ revision: this.revision, view: this.#tree.view() });
    }
    this.#trim(now);
    this.#releaseWaiters();
  }

  /** The value as it is kept; undefined for none, and for one that cannot be read: to a reader of snapshots it is not there. */
  #readable(key: string, value: Uint8Array | undefined): Uint8Array | undefined {
    if (this.#read === undefined) return value;
    if (this.#unreadable.size > 0) this.#unreadable.delete(key);
    if (value === undefined) return undefined;
    const reading = this.#read(key, value);
    if (!("unreadable" in reading)) return reading;
    this.#unreadable.set(key, reading.unreadable);
    this.#onTrouble(new StoreError("STORE_FOREIGN", `the value of ${key} cannot be read: ${reading.unreadable}`));
    return undefined;
  }

  /** Hands a writer's memo to the entry its write became: the one that expected the predecessor and holds these bytes. */
  #recognize(change: StoredChange, value: Uint8Array | undefined): void {
    const pending = this.#pending.get(change.key);
    if (pending === undefined) return;
    const expected = change.previous?.revision ?? 0;
    for (const candidate of pending) {
      const { write } = candidate;
      if (candidate.entry !== undefined || write.expected !== expected || !sameBytes(write.value, value)) continue;
      candidate.entry = change.entry;
      change.entry.memo = write.memo;
      return;
    }
  }

  /** The entry that a change of `key` at `revision` left: for a commit the feed's rows could not be matched to. */
  #entryAt(key: string, revision: Revision): Entry {
    for (let sequence = this.#ring.firstAfter(revision - 1); sequence < this.#ring.nextSequence; sequence++) {
      const change = this.#ring.at(sequence);
      if (change.revision > revision) break;
      if (change.key === key) return change.entry;
    }
    throw new StoreError("STORE_UNAVAILABLE", `the change of ${key} at revision ${revision} is no longer in memory`);
  }

  #wakeLater(wakes: (() => void)[]): void {
    if (wakes.length === 0) return;
    const scheduled = this.#toWake.length > 0;
    this.#toWake = scheduled ? this.#toWake.concat(wakes) : wakes;
    if (!scheduled) queueMicrotask(() => this.#wakeNow());
  }

  /** Runs after the feed has returned, so that no reader's code runs inside an engine. */
  #wakeNow(): void {
    const wakes = this.#toWake;
    this.#toWake = [];
    for (const wake of wakes) {
      try {
        wake();
      } catch (error) {
        this.#onTrouble(error);
      }
    }
  }

  #releaseWaiters(): void {
    let released = 0;
    while (released < this.#waiters.length && this.#waiters[released]!.revision <= this.revision) released++;
    if (released === 0) return;
    for (const waiter of this.#waiters.splice(0, released)) waiter.resolve();
  }

  #fail(error: StoreError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #exactFloor(): Revision {
    return this.#ring.revisionAt(this.#clock.monotonic() - this.#history.milliseconds);
  }

  #trim(now: number): void {
    const { milliseconds, minChanges, maxChanges, maxBytes } = this.#history;
    const ring = this.#ring;
    while (ring.length > 0) {
      const old = ring.oldestTime! < now - milliseconds && ring.length > minChanges;
      if (!old && ring.length <= maxChanges && ring.bytes <= maxBytes) break;
      const change = ring.evict()!;
      if (change.previous !== undefined) this.#slabs.free(change.previous);
      if (change.type === "delete") this.#slabs.free(change.entry);
    }
    while (this.#checkpoints.length > 0 && this.#checkpoints[0]!.revision < ring.floor) this.#checkpoints.shift();
  }

  #scheduleSweep(): void {
    this.#sweep = this.#clock.after(Math.max(1_000, this.#history.milliseconds / 5), () => {
      this.#trim(this.#clock.monotonic());
      const oldest = this.#exactFloor();
      this.#recent = this.#recent.filter((snapshot) => snapshot.revision >= oldest);
      // Over a shared store somebody else may still need what we do not.
      if (!this.#engine.shared) this.#engine.compact(oldest).catch(this.#onTrouble);
      if (this.#closed === undefined) this.#scheduleSweep();
    });
  }

  /** Undoes changes from the nearest kept view above `revision`: at most `CHECKPOINT` and one feed of them. */
  #reconstruct(revision: Revision): StoredSnapshot {
    let nearest: Checkpoint = { revision: this.revision, view: this.#tree.view() };
    for (const checkpoint of this.#checkpoints) {
      if (checkpoint.revision < revision) continue;
      nearest = checkpoint;
      break;
    }
    for (const snapshot of this.#recent) {
      if (snapshot.revision >= revision && snapshot.revision < nearest.revision) nearest = snapshot.checkpoint;
    }
    const tree = Tree.from(nearest.view);
    const first = this.#ring.firstAfter(revision);
    for (let sequence = this.#ring.firstAfter(nearest.revision) - 1; sequence >= first; sequence--) {
      const { key, previous } = this.#ring.at(sequence);
      if (previous === undefined) tree.delete(key);
      else tree.set(key, previous);
    }
    return new StoredSnapshot(revision, tree.view());
  }
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === b) return true;
  return a !== undefined && b !== undefined && a.length === b.length && Buffer.compare(a, b) === 0;
}
