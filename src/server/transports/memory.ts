/** Requests that never leave the process: for loopback clients, the aggregator's own calls, and tests. */
import type { Clock, Random } from "../../api/clock.ts";
import type { Handler, Peer } from "../exchange.ts";
import type { UserInfo } from "../identity.ts";
import { WholeBody } from "./body.ts";
import { toWire } from "./header-text.ts";
import { type Trailers, TransportResponse } from "./response.ts";
import { ServedExchange } from "./served-exchange.ts";

export interface MemoryRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further header lines, for names that occur more than once. */
  readonly headerLines?: readonly (readonly [string, string])[];
  readonly body?: Uint8Array | string;
  readonly signal?: AbortSignal;
}

export interface MemoryResponse {
  readonly status: number;
  /** Lower-case names; repeated lines are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** name, value, … as sent. */
  readonly rawHeaders: readonly string[];
  /** The body as it arrives. Breaking out of the loop cancels the request. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Has the shape of `ClientTransport`. */
export interface MemoryTransport {
  /** Rejects only when no response head arrived. */
  request(request: MemoryRequest): Promise<MemoryResponse>;
  close(): Promise<void>;
}

export interface MemoryTransportOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Vouched for: needs no credentials. Without it requests are as anonymous as they come. */
  readonly user?: UserInfo | undefined;
  /** Client certificates, DER, for tests of authentication. */
  readonly certificates?: readonly Uint8Array[];
  /** Bytes a reader may lag behind before `write` answers false. */
  readonly highWaterMark?: number;
}

export function memoryTransport(handler: Handler, options: MemoryTransportOptions): MemoryTransport {
  const peer: Peer = {
    transport: "memory",
    address: "127.0.0.1",
    port: 0,
    certificates: options.certificates ?? [],
    ...(options.user !== undefined && { vouched: options.user }),
  };
  const open = new Set<ServedExchange>();
  let closed = false;
  return {
    request(request) {
      if (closed) return Promise.reject(new Error("the transport is closed"));
      if (request.signal?.aborted) return Promise.reject(request.signal.reason);
      return new Promise((resolve, reject) => {
        const rawHeaders: string[] = [];
        for (const name in request.headers) rawHeaders.push(name, toWire(request.headers[name]!));
        for (const [name, value] of request.headerLines ?? []) rawHeaders.push(name, toWire(value));
        const response = new MemoryResponseWriter(request.method, options.highWaterMark ?? 65_536, resolve, reject);
        const exchange = new ServedExchange({
          method: request.method,
          target: request.path,
          rawHeaders,
          peer,
          response,
          received: options.clock.now(),
          newAuditID: options.random.uuid,
        });
        exchange.body = new WholeBody(typeof request.body === "string" ? Buffer.from(request.body) : request.body);
        const leave = () => {
          request.signal?.removeEventListener("abort", onAbort);
          open.delete(exchange);
        };
        const onAbort = () => {
          response.clientGone(request.signal?.reason);
          exchange.cancel("client-gone");
          leave();
        };
        response.onClientGone = () => exchange.cancel("client-gone");
        response.onDone = leave;
        request.signal?.addEventListener("abort", onAbort);
        open.add(exchange);
        try {
          handler(exchange)?.then(undefined, (error: unknown) => response.clientGone(error));
        } catch (error) {
          response.clientGone(error);
        }
      });
    },
    async close() {
      closed = true;
      for (const exchange of open) {
        exchange.cancel("client-gone");
        (exchange.response as MemoryResponseWriter).clientGone(new Error("the transport is closed"));
      }
      open.clear();
    },
  };
}

class MemoryResponseWriter extends TransportResponse {
  onClientGone: (() => void) | undefined;
  onDone: (() => void) | undefined;
  readonly #highWaterMark: number;
  readonly #resolve: (response: MemoryResponse) => void;
  readonly #reject: (reason: unknown) => void;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #ended = false;
  #failure: unknown;
  #failed = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriters: (() => void)[] = [];

  constructor(
    method: string,
    highWaterMark: number,
    resolve: (response: MemoryResponse) => void,
    reject: (reason: unknown) => void,
  ) {
    super(method);
    this.#highWaterMark = highWaterMark;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  drained(): Promise<void> {
    if (this.finished || this.#queued < this.#highWaterMark) return Promise.resolve();
    return new Promise((resolve) => this.#wakeWriters.push(resolve));
  }

  /** The reader left, or the transport closed. */
  clientGone(reason: unknown): void {
    this.finished = true;
    if (this.#ended && !this.#failed) return;
    this.#fail(reason);
  }

  protected sendWhole(status: number, lines: string[], body: Uint8Array | string): void {
    if (body.length > 0) this.#push(typeof body === "string" ? Buffer.from(body) : body);
    this.#finish();
    this.sendHead(status, lines);
  }

  protected sendHead(status: number, lines: string[]): void {
    const headers: Record<string, string> = Object.create(null);
    for (let i = 0; i < lines.length; i += 2) {
      const name = lines[i]!.toLowerCase();
      const before = headers[name];
      headers[name] = before === undefined ? lines[i + 1]! : `${before}, ${lines[i + 1]!}`;
    }
    this.#resolve({ status, headers, rawHeaders: lines, body: { [Symbol.asyncIterator]: () => this.#read() } });
  }

  protected sendChunk(chunk: Uint8Array): boolean {
    this.#push(chunk);
    return this.#queued < this.#highWaterMark;
  }

  protected sendEnd(_trailers: Trailers | undefined): void {
    this.#finish();
  }

  protected cut(): void {
    this.#fail(new Error("the response was cut off"));
  }

  #push(chunk: Uint8Array): void {
    this.#queue.push(chunk);
    this.#queued += chunk.byteLength;
    this.#wakeReader?.();
  }

  #finish(): void {
    this.#ended = true;
    this.onDone?.();
    this.#wakeReader?.();
    this.#wake();
  }

  #fail(reason: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = reason;
    this.#reject(reason);
    this.#finish();
  }

  #wake(): void {
    const waiting = this.#wakeWriters;
    this.#wakeWriters = [];
    for (const resume of waiting) resume();
  }

  async *#read(): AsyncGenerator<Uint8Array, void> {
    try {
      for (;;) {
        const chunk = this.#queue.shift();
        if (chunk !== undefined) {
          this.#queued -= chunk.byteLength;
          if (this.#queued < this.#highWaterMark) this.#wake();
          yield chunk;
        } else if (this.#failed) throw this.#failure;
        else if (this.#ended) return;
        else
          await new Promise<void>((resolve) => {
            this.#wakeReader = resolve;
          });
      }
    } finally {
      if (!this.#ended) {
        this.finished = true;
        this.#finish();
        this.onClientGone?.();
      }
    }
  }
}
