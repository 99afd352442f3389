/** The engine over etcd v3: for more machines than one. Keys and values are the callers'; gRPC is loaded when the engine opens. */
import type { Client, ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import type { Clock, Timer } from "../../api/clock.ts";
import type { ChangedRow, CommitResult, Engine, Feed, Revision, Row, Write } from "../engine.ts";
import { StoreError } from "../errors.ts";
import { ExpiredError } from "../state.ts";
import {
  decodeLeaseGrant,
  decodeRange,
  decodeSwap,
  decodeWatch,
  encodeCompact,
  encodeLeaseGrant,
  encodeRange,
  encodeSwap,
  encodeWatchCreate,
  encodeWatchProgress,
  type RangeRequest,
  type RangeResponse,
  rangeEnd,
  type WatchResponse,
} from "./etcd-messages.ts";

export interface EtcdEngineOptions {
  /** `host:port`, the first is tried first. */
  readonly endpoints: readonly string[];
  /** PEM; absent: without TLS. */
  readonly tls?: { readonly ca: Buffer; readonly certificate?: Buffer; readonly key?: Buffer };
  /** Only keys under it exist for this engine. Default "/registry/". */
  readonly scope?: string;
  readonly clock: Clock;
}

const PAGE = 500;
/** A call that takes longer is given up; a write is then neither known to be durable nor known not to be. */
const DEADLINE = 10_000;
const RECONNECT_FIRST = 100;
const RECONNECT_MOST = 5_000;
/** A reader that waits for the watch to catch up asks for progress this often (as kube-apiserver does). */
const PROGRESS = 100;
/** Keys with the same time to live share a lease for so long, in milliseconds (as kube-apiserver does). */
const LEASE_SHARED = 60_000;

const COMPACTED = "required revision has been compacted";

export function etcdEngine(options: EtcdEngineOptions): Engine {
  return new EtcdEngine(options);
}

class EtcdEngine implements Engine {
  readonly name = "etcd";
  readonly #options: EtcdEngineOptions;
  readonly #scope: string;
  readonly #clock: Clock;
  #client: Client | undefined;
  #closing = new AbortController();
  readonly #feeds = new Set<{ fed: Revision; askProgress(): void }>();
  /** The next `head` that has not been sent yet: all who ask meanwhile share it. */
  #nextHead: Promise<Revision> | undefined;
  #headRunning: Promise<unknown> = Promise.resolve();
  /** The highest revision a reader was told by `head`. */
  #wanted: Revision = 0;
  #asking: Timer | undefined;
  readonly #leases = new Map<number, { readonly until: number; readonly id: Promise<bigint> }>();

  constructor(options: EtcdEngineOptions) {
    this.#options = options;
    this.#scope = options.scope ?? "/registry/";
    this.#clock = options.clock;
  }

  async open(): Promise<void> {
    const grpc = await import("@grpc/grpc-js");
    const { endpoints, tls } = this.#options;
    const credentials =
      tls === undefined
        ? grpc.credentials.createInsecure()
        : grpc.credentials.createSsl(tls.ca, tls.key ?? null, tls.certificate ?? null);
    const target = endpoints.length === 1 ? endpoints[0]! : `ipv4:${endpoints.join(",")}`;
    this.#closing = new AbortController();
    this.#client = new grpc.Client(target, credentials, {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.keepalive_time_ms": 30_000,
      "grpc.keepalive_timeout_ms": 10_000,
    });
    try {
      await this.head();
    } catch (error) {
      await this.close();
      throw error;
    }
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
    let key = within;
    for (;;) {
      const page = await this.#range({ key, end, limit: PAGE, revision });
      // The first page fixes the moment of all.
      if (revision === 0) revision = page.revision;
      const rows = page.rows.map((row) => ({ key: row.key, value: row.value, revision: row.modRevision }));
      yield { revision, rows };
      const last = rows.at(-1);
      if (!page.more || last === undefined) return;
      key = `${last.key}\0`;
    }
  }

  async commit(write: Write): Promise<CommitResult> {
    const { key, expected, value } = write;
    if (value === undefined && expected === 0) {
      const { rows } = await this.#range({ key, end: undefined, keysOnly: true });
      return { committed: false, revision: rows[0]?.modRevision ?? 0 };
    }
    const lease = value === undefined || write.ttlSeconds === undefined ? 0n : await this.#lease(write.ttlSeconds);
    const answer = decodeSwap(await this.#call("KV/Txn", encodeSwap({ key, expected, value, lease })));
    if (!answer.succeeded) return { committed: false, revision: answer.current };
    return { committed: true, revision: answer.revision };
  }

  async feed(after: Revision, listener: (feed: Feed) => void, signal: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    const position = { fed: after, askProgress: () => {} };
    this.#feeds.add(position);
    try {
      for (let pause = RECONNECT_FIRST; !stop.aborted; pause = Math.min(pause * 2, RECONNECT_MOST)) {
        const before = position.fed;
        await this.#watch(position, listener, stop);
        if (position.fed > before) pause = RECONNECT_FIRST;
        if (!stop.aborted) await this.#clock.sleep(pause, stop).catch(() => {});
      }
    } finally {
      this.#feeds.delete(position);
    }
    if (!signal.aborted) throw this.#closed();
  }

  /** A read through the quorum; and whoever follows is made to learn of its revision, which need not be one of this scope. */
  head(): Promise<Revision> {
    this.#nextHead ??= this.#headRunning.then(async () => {
      this.#nextHead = undefined;
      const running = this.#range({ key: this.#scope, end: undefined, countOnly: true });
      this.#headRunning = running.catch(() => {});
      const { revision } = await running;
      this.#pushProgress(revision);
      return revision;
    });
    return this.#nextHead;
  }

  /** A watch from the first revision on a key that nobody writes is told which revision is compacted; without compaction it is progress. */
  oldest(): Promise<Revision> {
    return new Promise((resolve, reject) => {
      if (this.#client === undefined) return reject(this.#closed());
      const stream = this.#openWatch();
      let ended = false;
      const end = (settle: () => void) => {
        ended = true;
        stream.cancel();
        settle();
      };
      // A watch that is still catching up does not answer: ask again.
      const ask = () => {
        if (ended) return;
        stream.write(encodeWatchProgress());
        this.#clock.after(PROGRESS, ask);
      };
      stream.on("data", (response: WatchResponse) => {
        if (response.compactRevision > 0) end(() => resolve(response.compactRevision));
        else if (response.created) ask();
        else end(() => resolve(1));
      });
      stream.on("error", (error: Error) => end(() => reject(this.#unavailable("Watch", error))));
      stream.on("end", () => end(() => reject(this.#closed())));
      stream.write(encodeWatchCreate(`${this.#scope}\0oldest`, undefined, 1));
    });
  }

  #openWatch(): ClientDuplexStream<Uint8Array, WatchResponse> {
    return this.#client!.makeBidiStreamRequest(
      "/etcdserverpb.Watch/Watch",
      (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      (bytes: Buffer) => decodeWatch(bytes),
    );
  }

  async compact(revision: Revision): Promise<void> {
    // Another server over the same etcd may have been faster.
    if (revision <= 0) return;
    await this.#call("KV/Compact", encodeCompact(revision)).catch((error: unknown) => {
      if (!isCompacted(error)) throw error;
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#asking?.cancel();
    this.#asking = undefined;
    this.#leases.clear();
    this.#client?.close();
    this.#client = undefined;
  }

  async #range(request: RangeRequest): Promise<RangeResponse> {
    try {
      return decodeRange(await this.#call("KV/Range", encodeRange(request)));
    } catch (error) {
      // etcd does not say what is the oldest; the one after the asked is all that is known.
      if (isCompacted(error)) throw new ExpiredError(request.revision ?? 0, (request.revision ?? 0) + 1);
      throw error;
    }
  }

  /** Makes every watch, also one that starts later, learn that it has seen everything up to `revision`. */
  #pushProgress(revision: Revision): void {
    this.#wanted = Math.max(this.#wanted, revision);
    this.#askBehind();
  }

  #askBehind(): void {
    if (this.#asking !== undefined || this.#closing.signal.aborted) return;
    const behind = [...this.#feeds].filter((feed) => feed.fed < this.#wanted);
    if (behind.length === 0) return;
    for (const feed of behind) feed.askProgress();
    // A watch that is still catching up does not answer: ask again.
    this.#asking = this.#clock.after(PROGRESS, () => {
      this.#asking = undefined;
      this.#askBehind();
    });
  }

  #lease(seconds: number): Promise<bigint> {
    const now = this.#clock.now();
    const shared = this.#leases.get(seconds);
    if (shared !== undefined && shared.until > now) return shared.id;
    // Long enough for the last one to join.
    const id = this.#call("Lease/LeaseGrant", encodeLeaseGrant(seconds + LEASE_SHARED / 1_000)).then(decodeLeaseGrant);
    id.catch(() => this.#leases.delete(seconds));
    this.#leases.set(seconds, { until: now + LEASE_SHARED, id });
    return id;
  }

  /** One watch stream, until it ends. Rejects only when `position.fed` is compacted. */
  #watch(
    position: { fed: Revision; askProgress(): void },
    listener: (feed: Feed) => void,
    stop: AbortSignal,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#client === undefined) return resolve();
      const stream = this.#openWatch();
      const end = (settle: () => void) => {
        position.askProgress = () => {};
        stop.removeEventListener("abort", onAbort);
        stream.cancel();
        settle();
      };
      const onAbort = () => end(resolve);
      stop.addEventListener("abort", onAbort, { once: true });
      let rows: ChangedRow[] = [];
      stream.on("data", (response: WatchResponse) => {
        if (stop.aborted) return;
        if (response.compactRevision > 0)
          return end(() => reject(new ExpiredError(position.fed, response.compactRevision)));
        if (response.canceled) return end(resolve);
        if (response.created) {
          position.askProgress = () => stream.write(encodeWatchProgress());
          if (position.fed < this.#wanted) position.askProgress();
          this.#askBehind();
          return;
        }
        // Progress between the parts of one response says nothing: the parts are not all here.
        if (response.events.length === 0 && rows.length > 0) return;
        for (const { removed, row } of response.events) {
          if (row.modRevision <= position.fed) continue;
          rows.push({ key: row.key, value: removed ? undefined : row.value, revision: row.modRevision });
        }
        if (response.fragment) return;
        const complete = rows;
        rows = [];
        // While a watch catches up the header may be ahead of its events.
        const revision = complete.at(-1)?.revision ?? (response.events.length > 0 ? 0 : response.revision);
        if (revision <= position.fed) return;
        position.fed = revision;
        listener({ revision, rows: complete });
      });
      stream.on("error", () => end(resolve));
      stream.on("end", () => end(resolve));
      // From `fed` itself, which is then dropped: etcd accepts a start at the compacted revision, whose removals are gone already.
      stream.write(encodeWatchCreate(this.#scope, rangeEnd(this.#scope), Math.max(1, position.fed)));
    });
  }

  #call(method: string, request: Uint8Array): Promise<Buffer> {
    const client = this.#client;
    if (client === undefined) return Promise.reject(this.#closed());
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        `/etcdserverpb.${method}`,
        (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        (bytes: Buffer) => bytes,
        request,
        { deadline: Date.now() + DEADLINE },
        (error: ServiceError | null, response?: Buffer) => {
          if (error === null) return resolve(response!);
          reject(this.#unavailable(method, error));
        },
      );
    });
  }

  #unavailable(method: string, error: Error): StoreError {
    const said = (error as ServiceError).details ?? error.message;
    const where = this.#options.endpoints.join(", ");
    return new StoreError("STORE_UNAVAILABLE", `etcd at ${where} refused ${method}: ${said}`, { cause: error });
  }

  #closed(): StoreError {
    return new StoreError("STORE_CLOSED", `the connection to etcd at ${this.#options.endpoints.join(", ")} is closed`);
  }
}

function isCompacted(error: unknown): boolean {
  return error instanceof StoreError && error.message.includes(COMPACTED);
}
