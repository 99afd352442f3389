/** The default engine: one SQLite file, written by one thread, every acknowledged write synced; writes that come while a sync runs share the next one. */
import { Worker } from "node:worker_threads";
import type { Clock } from "../../api/clock.ts";
import type { CommitResult, Engine, Feed, Revision, Row, Write } from "../engine.ts";
import { StoreError } from "../errors.ts";
import { ExpiredError } from "../state.ts";
import { Expiry } from "./expiry.ts";
import { type CommitRequest, type Reply, type Request, unpack } from "./sqlite-messages.ts";

export interface SqliteEngineOptions {
  /** The file; made with its folder when absent. Beside it live `-wal`, `-shm` and `.lock`. */
  readonly path: string;
  /** For times to live. */
  readonly clock: Clock;
}

interface Queued {
  readonly write: Write;
  readonly expires: number;
  resolve(result: CommitResult): void;
  reject(error: unknown): void;
}

interface Listener {
  readonly tell: (feed: Feed) => void;
  readonly reject: (error: unknown) => void;
  /** What came while the past was being read; undefined when the listener is up to date. */
  backlog: Feed[] | undefined;
}

type Answer = Extract<Reply, { type: "page" | "expired" | "compacted" | "closed" }>;

/** Under type stripping (tests, a clone) the thread's file is the source; in the package it is the build's. */
const WORKER = new URL(import.meta.url.endsWith(".ts") ? "./sqlite-worker.ts" : "./sqlite-worker.js", import.meta.url);

export function sqliteEngine(options: SqliteEngineOptions): Engine {
  return new SqliteEngine(options);
}

class SqliteEngine implements Engine {
  readonly name = "sqlite";
  readonly #path: string;
  readonly #clock: Clock;
  #worker: Worker | undefined;
  #exited: Promise<void> = Promise.resolve();
  /** Why nothing can be asked any more. */
  #ended: StoreError | undefined;
  /** Why nothing is written any more; what is there can still be read. */
  #broken: StoreError | undefined;
  /** The last durable revision. */
  #head: Revision = 0;
  #compacted: Revision = 0;
  #nextId = 1;
  /** Writes of this turn of the loop; they go to the thread in one message. */
  #queue: Queued[] = [];
  readonly #commits = new Map<number, readonly Queued[]>();
  readonly #asked = new Map<number, { resolve(answer: Answer): void; reject(error: unknown): void }>();
  readonly #listeners = new Set<Listener>();
  #expiry: Expiry | undefined;

  constructor(options: SqliteEngineOptions) {
    this.#path = options.path;
    this.#clock = options.clock;
  }

  async open(): Promise<void> {
    if (this.#worker !== undefined) throw new StoreError("STORE_OPEN", `${this.#path} is open already`);
    // Options of the process (--input-type, --inspect, …) are not for this thread.
    const worker = new Worker(WORKER, { workerData: { path: this.#path }, name: "store writer", execArgv: [] });
    this.#worker = worker;
    this.#ended = undefined;
    this.#broken = undefined;
    this.#exited = new Promise((resolve) => worker.once("exit", () => resolve()));
    const opened = await new Promise<Extract<Reply, { type: "opened" }>>((resolve, reject) => {
      const fail = (error: StoreError) => {
        this.#end(error);
        reject(error);
      };
      worker.on("message", (reply: Reply) => {
        if (reply.type === "opened") resolve(reply);
        else if (reply.type === "failed" && reply.ids.length === 0) fail(new StoreError(reply.code, reply.message));
        else this.#receive(reply);
      });
      worker.on("error", (error: Error) =>
        fail(new StoreError("STORE_CLOSED", `the writer of ${this.#path} died: ${error.message}`, { cause: error })),
      );
      worker.once("exit", () => fail(new StoreError("STORE_CLOSED", `${this.#path} is closed`)));
    }).catch(async (error: unknown) => {
      await worker.terminate();
      this.#worker = undefined;
      throw error;
    });
    this.#head = opened.head;
    this.#compacted = opened.compacted;
    this.#expiry = new Expiry(this.#clock, (write) => this.commit(write));
    for (const { key, revision, at } of opened.expiring) this.#expiry.add(key, revision, at);
  }

  async *scan(prefix: string, at?: Revision): AsyncGenerator<{ revision: Revision; rows: Row[] }, void, undefined> {
    const revision = at ?? this.#head;
    if (revision > this.#head) throw new RangeError(`revision ${revision} is not reached yet`);
    for (let from: string | undefined = prefix; from !== undefined; ) {
      const page = await this.#ask({ type: "scan", id: this.#nextId++, prefix, from, at: revision });
      if (page.type === "expired") throw new ExpiredError(revision, page.compacted);
      if (page.type !== "page") throw new TypeError(`the writer answered a scan with ${page.type}`);
      yield { revision, rows: unpack(page.rows) as Row[] };
      from = page.next;
    }
  }

  commit(write: Write): Promise<CommitResult> {
    if (this.#ended !== undefined || this.#worker === undefined) return Promise.reject(this.#closedError());
    return new Promise((resolve, reject) => {
      const expires =
        write.ttlSeconds === undefined || write.value === undefined ? 0 : this.#clock.now() + write.ttlSeconds * 1_000;
      this.#queue.push({ write, expires, resolve, reject });
      if (this.#queue.length === 1) queueMicrotask(() => this.#send());
    });
  }

  async feed(after: Revision, tell: (feed: Feed) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    if (this.#ended !== undefined || this.#worker === undefined) throw this.#closedError();
    const ended = Promise.withResolvers<void>();
    const listener: Listener = { tell, reject: ended.reject, backlog: [] };
    signal.addEventListener("abort", () => ended.resolve(), { once: true });
    this.#listeners.add(listener);
    try {
      await Promise.race([this.#replay(listener, after, signal), ended.promise]);
      await ended.promise;
    } finally {
      this.#listeners.delete(listener);
    }
  }

  async head(): Promise<Revision> {
    if (this.#ended !== undefined || this.#worker === undefined) throw this.#closedError();
    return this.#head;
  }

  trouble(): StoreError | undefined {
    return this.#ended ?? this.#broken;
  }

  async oldest(): Promise<Revision> {
    return this.#compacted;
  }

  async compact(revision: Revision): Promise<void> {
    const answer = await this.#ask({ type: "compact", id: this.#nextId++, revision });
    if (answer.type === "compacted") this.#compacted = answer.compacted;
  }

  async close(): Promise<void> {
    this.#expiry?.close();
    if (this.#worker === undefined) return;
    this.#send();
    if (this.#ended === undefined) await this.#ask({ type: "close", id: this.#nextId++ }).catch(() => {});
    await this.#exited;
    this.#worker = undefined;
  }

  /** Tells `listener` everything from `after` on to what is durable now, then what was held back meanwhile. */
  async #replay(listener: Listener, after: Revision, signal: AbortSignal): Promise<void> {
    const upTo = this.#head;
    for (let from = after; from < upTo; ) {
      const page = await this.#ask({ type: "changes", id: this.#nextId++, after: from, upTo });
      if (page.type === "expired") throw new ExpiredError(after, page.compacted);
      if (page.type !== "page") throw new TypeError(`the writer answered a replay with ${page.type}`);
      if (signal.aborted) return;
      from = page.next === undefined ? upTo : Number(page.next);
      listener.tell({ revision: from, rows: unpack(page.rows) });
    }
    const backlog = listener.backlog ?? [];
    listener.backlog = undefined;
    for (const feed of backlog) listener.tell(feed);
  }

  #ask(request: Exclude<Request, CommitRequest>): Promise<Answer> {
    if (this.#ended !== undefined || this.#worker === undefined) return Promise.reject(this.#closedError());
    return new Promise((resolve, reject) => {
      this.#asked.set(request.id, { resolve, reject });
      this.#worker!.postMessage(request);
    });
  }

  #send(): void {
    const queue = this.#queue;
    if (queue.length === 0 || this.#worker === undefined) return;
    this.#queue = [];
    if (this.#ended !== undefined) {
      for (const { reject } of queue) reject(this.#ended);
      return;
    }
    let total = 0;
    for (const { write } of queue) total += write.value?.length ?? 0;
    const bytes = new Uint8Array(total);
    let at = 0;
    for (const { write } of queue) {
      if (write.value === undefined) continue;
      bytes.set(write.value, at);
      at += write.value.length;
    }
    const request: CommitRequest = {
      type: "commit",
      id: this.#nextId++,
      keys: queue.map(({ write }) => write.key),
      expected: queue.map(({ write }) => write.expected),
      lengths: queue.map(({ write }) => write.value?.length ?? -1),
      expires: queue.map(({ expires }) => expires),
      bytes: bytes.buffer,
    };
    this.#commits.set(request.id, queue);
    this.#worker.postMessage(request, [bytes.buffer]);
  }

  #receive(reply: Reply): void {
    if (reply.type === "committed") this.#committed(reply.ids, reply.results);
    else if (reply.type === "failed") {
      const error = new StoreError(reply.code, reply.message);
      if (reply.final) this.#broken = error;
      for (const id of reply.ids) {
        for (const { reject } of this.#commits.get(id) ?? []) reject(error);
        this.#commits.delete(id);
        this.#asked.get(id)?.reject(error);
        this.#asked.delete(id);
      }
    } else if (reply.type !== "opened") {
      this.#asked.get(reply.id)?.resolve(reply);
      this.#asked.delete(reply.id);
    }
  }

  /** One transaction is durable: the feed sees it first, then its writers, in order. */
  #committed(ids: readonly number[], results: readonly (readonly number[])[]): void {
    const rows: { key: string; value: Uint8Array | undefined; revision: Revision }[] = [];
    const settled: [Queued, CommitResult][] = [];
    ids.forEach((id, index) => {
      const queue = this.#commits.get(id)!;
      this.#commits.delete(id);
      queue.forEach((queued, place) => {
        const result = results[index]![place]!;
        const committed = result > 0;
        const revision = Math.abs(result);
        settled.push([queued, { committed, revision }]);
        if (!committed) return;
        const { key, value } = queued.write;
        rows.push({ key, value, revision });
        if (queued.expires > 0) this.#expiry?.add(key, revision, queued.expires);
      });
    });
    const last = rows.at(-1);
    if (last !== undefined) {
      this.#head = last.revision;
      const feed: Feed = { revision: last.revision, rows };
      for (const listener of this.#listeners) {
        if (listener.backlog === undefined) listener.tell(feed);
        else listener.backlog.push(feed);
      }
    }
    for (const [queued, result] of settled) queued.resolve(result);
  }

  #end(error: StoreError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const queue of this.#commits.values()) for (const { reject } of queue) reject(error);
    this.#commits.clear();
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
    for (const { reject } of this.#listeners) reject(error);
    this.#listeners.clear();
  }

  #closedError(): StoreError {
    return this.#ended ?? new StoreError("STORE_CLOSED", `${this.#path} is closed`);
  }
}
