/** One request and its response, the same for HTTP/1.1, HTTP/2 and the in-memory transport: frozen when it arrives, decided once. */
import type { UserInfo } from "./identity.ts";
import type { RequestInfo } from "./request-info.ts";

/** Who is at the other end of the connection. One object per connection: results of verification are cached on its identity. */
export interface Peer {
  readonly transport: "h1" | "h2" | "memory";
  readonly address: string;
  readonly port: number;
  /** The certificates the client presented, DER, leaf first; empty when none. Nobody has verified them yet. */
  readonly certificates: readonly Uint8Array[];
  /** Set only by the in-memory transport: an identity the process vouches for, needing no credentials. */
  readonly vouched?: UserInfo;
}

export interface RequestBody {
  /** The declared length, or undefined when unknown. */
  readonly length: number | undefined;
  /** The whole body. Throws a 413 StatusError beyond `limit` bytes without reading further. May be called once. */
  bytes(limit: number): Promise<Uint8Array>;
  /** The body as it arrives, with back-pressure. Excludes `bytes`. */
  stream(): AsyncIterable<Uint8Array>;
}

/** What goes back. Exactly one of `send` or `start…end` is called. */
export interface ResponseWriter {
  /** 0 before the head is sent. */
  readonly status: number;
  readonly started: boolean;
  readonly finished: boolean;
  /** Bytes of body accepted so far. */
  readonly written: number;
  /** Replaces the header; before start only. Names are case-insensitive and sent in lower case on h2. */
  setHeader(name: string, value: string): void;
  /** Adds one more line of this header. */
  addHeader(name: string, value: string): void;
  hasHeader(name: string): boolean;
  /** The whole response at once; `Content-Length` is set. */
  send(status: number, contentType: string, body: Uint8Array | string): void;
  /** Begins a streamed response; headers are flushed at once. */
  start(status: number, contentType?: string): void;
  /** False when the transport's buffer is full: wait for `drained`. */
  write(chunk: Uint8Array): boolean;
  /** Resolves when the transport takes bytes again, or when the exchange is over. */
  drained(): Promise<void>;
  /** `trailers` are sent where the transport has them. */
  end(trailers?: readonly (readonly [string, string])[]): void;
  /** Cuts the response off so that the client sees a broken connection or stream. */
  abort(): void;
}

/** A connection taken over from HTTP, for upgrades (HTTP/1.1 only). */
export interface UpgradedConnection {
  readonly socket: import("node:stream").Duplex;
  /** Bytes that arrived behind the request head. */
  readonly head: Uint8Array;
}

export interface Exchange {
  readonly method: string;
  /** Path and query exactly as received. */
  readonly target: string;
  /** The part of `target` before `?`, still percent-encoded. */
  readonly rawPath: string;
  /** The part of `target` after `?`, or "". */
  readonly rawQuery: string;
  /** The query, decoded once. Pairs with broken escapes are dropped. */
  readonly query: URLSearchParams;
  /** name, value, name, value, … exactly as received, one character a byte (h2: without pseudo-headers). */
  readonly rawHeaders: readonly string[];
  /** The first value of a header, its bytes read as UTF-8; `name` in lower case. */
  header(name: string): string | undefined;
  /** All values of a header, in order, never joined or split; `name` in lower case. */
  headers(name: string): readonly string[];
  readonly body: RequestBody;
  readonly peer: Peer;
  readonly response: ResponseWriter;
  /** Aborts when the client is gone, the deadline passed or the server stops. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch, from the server's clock. */
  readonly received: number;
  readonly auditID: string;
  /** Present when the request asks for an upgrade on HTTP/1.1: takes the connection over. */
  readonly upgrade: (() => UpgradedConnection) | undefined;

  /** Set once by the request-info filter; reading it earlier throws. */
  info: RequestInfo;
  /** Set once by authentication, once more by impersonation, frozen after; reading it earlier throws. */
  user: UserInfo;
  /** The user who authenticated, when `user` is impersonated. */
  readonly originalUser: UserInfo | undefined;
  /** Adds a `Warning: 299 - "…"` header, de-duplicated and bounded (spec: apiserver 1.8). */
  warn(text: string): void;
}

/** Settles when the response is finished or the connection was taken over. After that, and after the client is gone, writes are ignored. */
export type Handler = (exchange: Exchange) => Promise<void> | void;
/** Filters wrap handlers; the first of a chain is the outermost. */
export type Filter = (exchange: Exchange, next: Handler) => Promise<void> | void;
