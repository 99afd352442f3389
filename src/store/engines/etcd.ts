/** The engine over etcd v3: for more servers than one, and for the data of a stock kube-apiserver. Keys and values are the callers'; gRPC is loaded when the engine opens. */
import type { Clock, Random, Timer } from "../../api/clock.ts";
import type { ChangedRow, CommitResult, Engine, Feed, Revision, Row, Write } from "../engine.ts";
import { StoreError } from "../errors.ts";
import { ExpiredError } from "../state.ts";
import { Compactor } from "./etcd-compactor.ts";
import { COMPACTED, EtcdConnection, type EtcdConnectionOptions, LEASE_GONE } from "./etcd-connection.ts";
import { Leases } from "./etcd-leases.ts";
import {
  decodeRange,
  decodeStatusVersion,
  decodeSwap,
  decodeWatch,
  encodeCompact,
  encodePut,
  encodeRange,
  encodeSwap,
  encodeWatchCreate,
  encodeWatchProgress,
  type RangeRequest,
  type RangeResponse,
  rangeEnd,
  type WatchResponse,
} from "./etcd-messages.ts";

export interface EtcdEngineOptions extends Pick<EtcdConnectionOptions, "endpoints" | "tls"> {
  /** Only keys under it exist for this engine. Default "/registry/". */
  readonly scope?: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Between turns at compacting, milliseconds; 0: never. Default 5 minutes, as upstream. */
  readonly compactionInterval?: number;
}

/** A page of a scan has at most so many rows, and about so many bytes: an answer is decoded in one go. */
const PAGE_ROWS = 250;
const PAGE_BYTES = 1024 * 1024;
const RECONNECT_FIRST = 100;
const RECONNECT_MOST = 5_000;
/** A reader that waits for the watch to catch up asks for progress this often, milliseconds (as kube-apiserver does). */
const PROGRESS = 100;
/** A watch that has not moved for so long although it was asked to is on a member that hangs: another one is tried. */
const PATIENCE = 3_000;
const STATUS_DEADLINE = 2_000;
const COMPACTION_INTERVAL = 5 * 60_000;
/** Written by readers behind an etcd whose progress cannot be trusted; holds nothing, and is shown to nobody. */
const FENCE = "tenon/fence";

/** One follower: how far it is, and how it can be made to go on. */
interface Position {
  fed: Revision;
  /** Since when, monotonic, it has not moved although it was asked; undefined while it is not asked. */
  waiting: number | undefined;
  /** `waited`: milliseconds that it has not moved. */
  ask(waited: number): void;
  restart(): void;
}

export function etcdEngine(options: EtcdEngineOptions): Engine {
  return new EtcdEngine(options);
}

class EtcdEngine implements Engine {
  readonly name = "etcd";
  readonly shared = true;
  readonly #scope: string;
  readonly #fenceKey: string;
  readonly #clock: Clock;
  readonly #connection: EtcdConnection;
  readonly #leases: Leases;
  readonly #compactionInterval: number;
  readonly #positions = new Set<Position>();
  /** The next `head` that has not been sent yet: all who ask meanwhile share it. */
  #nextHead: Promise<Revision> | undefined;
  #headRunning: Promise<unknown> = Promise.resolve();
  /** The highest revision a reader was told by `head`. */
  #wanted: Revision = 0;
  #asking: Timer | undefined;
  #fencing = false;

  constructor(options: EtcdEngineOptions) {
    this.#scope = options.scope ?? "/registry/";
    this.#fenceKey = this.#scope + FENCE;
    this.#clock = options.clock;
    this.#connection = new EtcdConnection(options);
    this.#leases = new Leases(this.#connection, this.#clock);
    this.#compactionInterval = options.compactionInterval ?? COMPACTION_INTERVAL;
  }

  async open(): Promise<void> {
    await this.#connection.open();
    try {
      await this.head();
    } catch (error) {
      await this.close();
      throw error;
    }
    if (this.#compactionInterval > 0) void new Compactor(this.#connection).run(this.#clock, this.#compactionInterval);
  }

  async *scan(prefix: string, at?: Revision): AsyncGenerator<{ revision: Revision; rows: Row[] }, void, undefined> {
    // The part of the scope that is asked for; nothing when they exclude each other.
    const within = prefix.startsWith(this.#scope) ? prefix : this.#scope;
    if (!within.startsWith(prefix)) {
      yield { revision: at ?? (await this.head()), rows: [] };
      return;
    }
    const end = rangeEnd(within);
    let revision = at ?? 0;
    let key: string | Uint8Array = within;
    for (let limit = PAGE_ROWS; ; ) {
      const page = await this.#range({ key, end, limit, revision });
      // The first page fixes the moment of all.
      if (revision === 0) revision = page.revision;
      const rows: Row[] = [];
      let bytes = 0;
      for (const row of page.rows) {
        bytes += row.value.length;
        if (row.key !== undefined && row.key !== this.#fenceKey)
          rows.push({ key: row.key, value: row.value, revision: row.modRevision });
      }
      yield { revision, rows };
      const last = page.rows.at(-1);
      if (!page.more || last === undefined) return;
      key = Buffer.concat([last.rawKey, Buffer.alloc(1)]);
      limit = Math.max(1, Math.min(PAGE_ROWS, Math.floor((PAGE_BYTES * page.rows.length) / Math.max(1, bytes))));
    }
  }

  async commit(write: Write): Promise<CommitResult> {
    const { key, expected, value, ttlSeconds } = write;
    if (value === undefined && expected === 0) {
      const { rows } = await this.#range({ key, end: undefined, keysOnly: true });
      return { committed: false, revision: rows[0]?.modRevision ?? 0 };
    }
    const lasting = value === undefined || ttlSeconds === undefined;
    const swap = async () => {
      const lease = lasting ? 0n : await this.#leases.of(ttlSeconds);
      return this.#connection.call("KV/Txn", encodeSwap({ key, expected, value, lease }), "write");
    };
    let bytes: Buffer;
    try {
      bytes = await swap();
    } catch (error) {
      if (lasting || !hasSaid(error, LEASE_GONE)) throw error;
      // It ran out while etcd was away, or somebody revoked it; nothing was written.
      this.#leases.forget(ttlSeconds);
      bytes = await swap();
    }
    const answer = decodeSwap(bytes);
    const revision = answer.succeeded ? answer.revision : answer.current;
    // Its event is on its way; if the watch hangs, somebody must notice.
    this.#wanted = Math.max(this.#wanted, revision);
    this.#askLater();
    return { committed: answer.succeeded, revision };
  }

  async feed(after: Revision, listener: (feed: Feed) => void, signal: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([signal, this.#connection.signal]);
    const position: Position = { fed: after, waiting: undefined, ask: () => {}, restart: () => {} };
    this.#positions.add(position);
    try {
      for (let pause = RECONNECT_FIRST; !stop.aborted; pause = Math.min(pause * 2, RECONNECT_MOST)) {
        const before = position.fed;
        const { endpoint } = this.#connection;
        await this.#watch(position, listener, stop);
        if (position.fed > before) pause = RECONNECT_FIRST;
        if (stop.aborted) break;
        this.#connection.turnFrom(endpoint);
        await this.#clock.sleep(this.#connection.jittered(pause), stop).catch(() => {});
      }
    } finally {
      this.#positions.delete(position);
    }
    if (!signal.aborted) throw this.#connection.closed();
  }

  /** A read through the quorum; and whoever follows is made to learn of its revision, which need not be one of this scope. */
  head(): Promise<Revision> {
    this.#nextHead ??= this.#headRunning.then(async () => {
      this.#nextHead = undefined;
      const running = this.#range({ key: this.#scope, end: undefined, countOnly: true });
      this.#headRunning = running.catch(() => {});
      const { revision } = await running;
      this.#wanted = Math.max(this.#wanted, revision);
      this.#askBehind();
      return revision;
    });
    return this.#nextHead;
  }

  /** A watch from the first revision on a key that nobody writes is told which revision is compacted; without compaction it is progress. */
  oldest(): Promise<Revision> {
    return new Promise((resolve, reject) => {
      const stream = this.#connection.stream("Watch/Watch", decodeWatch);
      if (stream === undefined) return reject(this.#connection.closed());
      let asking: Timer | undefined;
      const end = (settle: () => void) => {
        asking?.cancel();
        limit.cancel();
        stream.cancel();
        settle();
      };
      const limit = this.#clock.after(PATIENCE, () =>
        end(() => reject(this.#connection.failure("Watch", new Error("no answer in time"), "read"))),
      );
      // A watch that is still catching up does not answer: ask again.
      const ask = () => {
        stream.write(encodeWatchProgress());
        asking = this.#clock.after(PROGRESS, ask);
      };
      stream.on("data", (response: WatchResponse) => {
        if (response.compactRevision > 0) end(() => resolve(response.compactRevision));
        else if (response.created) ask();
        else end(() => resolve(1));
      });
      stream.on("error", (error: Error) => end(() => reject(this.#connection.failure("Watch", error, "read"))));
      stream.on("end", () => end(() => reject(this.#connection.closed())));
      stream.write(encodeWatchCreate(`${this.#scope}\0oldest`, undefined, 1));
    });
  }

  async compact(revision: Revision): Promise<void> {
    // Another server over the same etcd may have been faster.
    if (revision <= 0) return;
    await this.#connection.call("KV/Compact", encodeCompact(revision), "write").catch((error: unknown) => {
      if (!hasSaid(error, COMPACTED)) throw error;
    });
  }

  async close(): Promise<void> {
    this.#connection.close();
    this.#asking?.cancel();
    this.#asking = undefined;
  }

  async #range(request: RangeRequest): Promise<RangeResponse> {
    try {
      return decodeRange(await this.#connection.call("KV/Range", encodeRange(request), "read"));
    } catch (error) {
      // etcd does not say what is the oldest; the one after the asked is all that is known.
      if (hasSaid(error, COMPACTED)) throw new ExpiredError(request.revision ?? 0, (request.revision ?? 0) + 1);
      throw error;
    }
  }

  /** Makes every watch, also one that starts later, learn that it has seen everything up to what readers were told. */
  #askBehind(): void {
    if (this.#asking !== undefined || this.#connection.signal.aborted) return;
    const now = this.#clock.monotonic();
    let behind = false;
    for (const position of this.#positions) {
      if (position.fed >= this.#wanted) continue;
      behind = true;
      position.waiting ??= now;
      const waited = now - position.waiting;
      if (waited > PATIENCE) position.restart();
      else position.ask(waited);
    }
    // A watch that is still catching up does not answer: ask again.
    if (behind) this.#askLater();
  }

  #askLater(): void {
    if (this.#connection.signal.aborted) return;
    this.#asking ??= this.#clock.after(PROGRESS, () => {
      this.#asking = undefined;
      this.#askBehind();
    });
  }

  /**
   * Below 3.4.31 and 3.5.13 progress may overtake events that are before it (etcd #15220), so it is not asked for. A write under the scope
   * comes after everything else, as an event does: whoever sees it has seen all. One at a time, and none while others write anyway.
   */
  #fence(): void {
    if (this.#fencing) return;
    this.#fencing = true;
    const settled = () => {
      this.#fencing = false;
    };
    this.#connection.call("KV/Put", encodePut(this.#fenceKey, "{}"), "read").then(settled, settled);
  }

  /** Whether the member at this place answers for its progress. Asked anew for each watch: members are upgraded, and downgraded. */
  async #trustsProgress(endpoint: number): Promise<boolean> {
    const status = this.#connection.callOne(endpoint, "Maintenance/Status", new Uint8Array(0), "read", STATUS_DEADLINE);
    return progressIsSafe(decodeStatusVersion(await status));
  }

  /** One watch stream, until it ends. Rejects only when `position.fed` is compacted. */
  async #watch(position: Position, listener: (feed: Feed) => void, stop: AbortSignal): Promise<void> {
    let trusted: boolean;
    try {
      trusted = await this.#trustsProgress(this.#connection.endpoint);
    } catch {
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const stream = stop.aborted ? undefined : this.#connection.stream("Watch/Watch", decodeWatch);
      if (stream === undefined) return resolve();
      const end = (settle: () => void) => {
        position.ask = () => {};
        position.restart = () => {};
        position.waiting = undefined;
        stop.removeEventListener("abort", onAbort);
        stream.cancel();
        settle();
      };
      const onAbort = () => end(resolve);
      stop.addEventListener("abort", onAbort, { once: true });
      // A member that hangs before the watch is made must not hold it for ever either.
      position.waiting = undefined;
      position.restart = () => end(resolve);
      let rows: ChangedRow[] = [];
      let last = 0;
      stream.on("data", (response: WatchResponse) => {
        if (stop.aborted) return;
        if (response.compactRevision > 0)
          return end(() => reject(new ExpiredError(position.fed, response.compactRevision)));
        if (response.canceled) return end(resolve);
        if (response.created) {
          position.ask = trusted
            ? () => stream.write(encodeWatchProgress())
            : (waited) => {
                // What is on its way arrives by itself.
                if (waited >= PROGRESS / 2) this.#fence();
              };
          if (position.fed < this.#wanted) position.ask(0);
          this.#askBehind();
          return;
        }
        if (response.events.length === 0) {
          // Progress between the parts of one response says nothing, as the parts are not all here; nor does that of old versions.
          if (last > 0 || !trusted) return;
        }
        for (const { removed, row } of response.events) {
          last = Math.max(last, row.modRevision);
          if (row.modRevision <= position.fed || row.key === undefined || row.key === this.#fenceKey) continue;
          rows.push({ key: row.key, value: removed ? undefined : row.value, revision: row.modRevision });
        }
        if (response.fragment) return;
        const complete = rows;
        // While a watch catches up the header may be ahead of its events.
        const revision = last > 0 ? last : response.revision;
        rows = [];
        last = 0;
        if (revision <= position.fed) return;
        position.fed = revision;
        position.waiting = undefined;
        listener({ revision, rows: complete });
      });
      stream.on("error", () => end(resolve));
      stream.on("end", () => end(resolve));
      // From `fed` itself, which is then dropped: etcd accepts a start at the compacted revision, whose removals are gone already.
      stream.write(encodeWatchCreate(this.#scope, rangeEnd(this.#scope), Math.max(1, position.fed)));
    });
  }
}

/** Whether a member of this version tells the truth about its progress; upstream's bounds. A version nobody can read does not. */
export function progressIsSafe(version: string): boolean {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(version);
  if (match === null) return false;
  const [major, minor, patch] = match.slice(1).map(Number) as [number, number, number];
  if (major !== 3) return major > 3;
  if (minor === 4) return patch >= 31;
  if (minor === 5) return patch >= 13;
  return minor > 5;
}

const hasSaid = (error: unknown, text: string) => error instanceof StoreError && error.said.includes(text);
