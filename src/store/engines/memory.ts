/** The engine that keeps everything in memory and nothing beyond the process: for tests, simulations and servers without a past. */
import type { Clock } from "../../api/clock.ts";
import type { ChangedRow, CommitResult, Engine, Feed, Revision, Row, Write } from "../engine.ts";
import { StoreError } from "../errors.ts";
import { ExpiredError } from "../state.ts";
import { Tree } from "../tree.ts";
import { Expiry } from "./expiry.ts";

export interface MemoryEngineOptions {
  /** Needed for writes with a time to live, and for nothing else. */
  readonly clock?: Clock;
  /** The revision the first write follows. Default 0. */
  readonly revision?: Revision;
}

const PAGE = 1_000;

interface Logged extends ChangedRow {
  readonly previous: Row | undefined;
}

/** `close` ends feeds and refuses writes; opening again finds everything still there, which is a restart to whoever looks. */
export function memoryEngine(options: MemoryEngineOptions = {}): Engine {
  const rows = new Tree<Row>();
  const log: Logged[] = [];
  let revision = options.revision ?? 0;
  let compacted = revision;
  let isOpen = false;
  const listeners = new Set<{ readonly tell: (feed: Feed) => void; readonly end: () => void }>();
  const newExpiry = () => (options.clock === undefined ? undefined : new Expiry(options.clock, commit));
  let expiry: Expiry | undefined;
  /** Times to live, for a restart. */
  const deadlines = new Map<string, { readonly revision: Revision; readonly at: number }>();

  function check(): void {
    if (!isOpen) throw new StoreError("STORE_CLOSED", "the memory engine is closed");
  }

  /** The log's index of the first change after `after`. */
  function logIndex(after: Revision): number {
    let low = 0;
    let high = log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (log[middle]!.revision > after) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  async function commit(write: Write): Promise<CommitResult> {
    check();
    const { key, value, ttlSeconds } = write;
    if (ttlSeconds !== undefined && expiry === undefined)
      throw new TypeError("a write with ttlSeconds needs memoryEngine({ clock })");
    const previous = rows.get(key);
    const current = previous?.revision ?? 0;
    if (current !== write.expected || (value === undefined && previous === undefined))
      return { committed: false, revision: current };
    revision++;
    if (value === undefined) rows.delete(key);
    else rows.set(key, { key, value, revision });
    const row: Logged = { key, value, revision, previous };
    log.push(row);
    deadlines.delete(key);
    if (ttlSeconds !== undefined && value !== undefined) {
      const at = options.clock!.now() + ttlSeconds * 1_000;
      deadlines.set(key, { revision, at });
      expiry!.add(key, revision, at);
    }
    const committed = { committed: true, revision };
    for (const { tell } of listeners) tell({ revision, rows: [row] });
    return committed;
  }

  return {
    name: "memory",

    async open() {
      isOpen = true;
      expiry = newExpiry();
      for (const [key, due] of deadlines) expiry?.add(key, due.revision, due.at);
    },

    async *scan(prefix, at) {
      check();
      const asked = at ?? revision;
      if (asked < compacted) throw new ExpiredError(asked, compacted);
      if (asked > revision) throw new RangeError(`revision ${asked} is not reached yet`);
      const tree = Tree.from(rows.view());
      for (let index = log.length - 1; index >= 0 && log[index]!.revision > asked; index--) {
        const { key, previous } = log[index]!;
        if (previous === undefined) tree.delete(key);
        else tree.set(key, previous);
      }
      let page: Row[] = [];
      for (const row of tree.view().range(prefix)) {
        page.push(row);
        if (page.length < PAGE) continue;
        yield { revision: asked, rows: page };
        page = [];
      }
      yield { revision: asked, rows: page };
    },

    commit,

    feed(after, tell, signal) {
      return new Promise<void>((resolve, reject) => {
        if (signal.aborted) return resolve();
        if (!isOpen) return reject(new StoreError("STORE_CLOSED", "the memory engine is closed"));
        if (after < compacted) return reject(new ExpiredError(after, compacted));
        const past = log.slice(logIndex(after));
        if (past.length > 0) tell({ revision, rows: past });
        if (signal.aborted) return resolve();
        const listener = { tell, end: () => reject(new StoreError("STORE_CLOSED", "the memory engine is closed")) };
        listeners.add(listener);
        signal.addEventListener(
          "abort",
          () => {
            listeners.delete(listener);
            resolve();
          },
          { once: true },
        );
      });
    },

    async head() {
      check();
      return revision;
    },

    async oldest() {
      check();
      return compacted;
    },

    async compact(upTo) {
      check();
      if (upTo <= compacted) return;
      compacted = Math.min(upTo, revision);
      log.splice(0, logIndex(compacted));
    },

    async close() {
      isOpen = false;
      expiry?.close();
      for (const { end } of listeners) end();
      listeners.clear();
    },
  };
}
