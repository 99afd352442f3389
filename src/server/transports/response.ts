/** What the responses of all transports share: the header, the order of calls, HEAD, and silence once the client is gone. */
import type { ResponseWriter } from "../exchange.ts";
import { toWire } from "./header-text.ts";

export type Trailers = readonly (readonly [string, string])[];

const EMPTY = new Uint8Array(0);

/** Statuses that never have a body. */
const bodiless = (status: number) => status === 204 || status === 304;

/** The cost of `send` is one array and no header object; both transports of Node take the flat array as it is. */
export abstract class TransportResponse implements ResponseWriter {
  status = 0;
  started = false;
  finished = false;
  written = 0;
  /** Runs once, just before the head is fixed; the exchange adds its warnings here. */
  beforeHead: (() => void) | undefined;
  readonly #head: boolean;
  #names: string[] = [];
  #lines: string[] = [];

  /** `method`: HEAD responses have a header like GET's and no body. */
  constructor(method: string) {
    this.#head = method === "HEAD";
  }

  setHeader(name: string, value: string): void {
    if (this.started || this.finished) return;
    const key = name.toLowerCase();
    let at = this.#names.indexOf(key);
    if (at < 0) {
      this.#names.push(key);
      this.#lines.push(name, toWire(value));
      return;
    }
    this.#lines[at * 2 + 1] = toWire(value);
    for (;;) {
      at = this.#names.indexOf(key, at + 1);
      if (at < 0) return;
      this.#names.splice(at, 1);
      this.#lines.splice(at * 2, 2);
      at--;
    }
  }

  addHeader(name: string, value: string): void {
    if (this.started || this.finished) return;
    this.#names.push(name.toLowerCase());
    this.#lines.push(name, toWire(value));
  }

  hasHeader(name: string): boolean {
    return this.#names.includes(name.toLowerCase());
  }

  send(status: number, contentType: string, body: Uint8Array | string): void {
    if (this.started || this.finished) return;
    if (contentType !== "") this.setHeader("Content-Type", contentType);
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
    const silent = bodiless(status);
    if (!silent) this.setHeader("Content-Length", `${length}`);
    this.#begin(status);
    this.finished = true;
    this.written = this.#head || silent ? 0 : length;
    this.sendWhole(status, this.#lines, this.#head || silent ? EMPTY : body);
  }

  start(status: number, contentType?: string): void {
    if (this.started || this.finished) return;
    if (contentType !== undefined && contentType !== "") this.setHeader("Content-Type", contentType);
    this.#begin(status);
    this.sendHead(status, this.#lines);
  }

  write(chunk: Uint8Array): boolean {
    if (this.finished) return true;
    if (!this.started) throw new Error("write before start");
    if (this.#head || chunk.byteLength === 0) return true;
    this.written += chunk.byteLength;
    return this.sendChunk(chunk);
  }

  abstract drained(): Promise<void>;

  end(trailers?: Trailers): void {
    if (this.finished) return;
    if (!this.started) throw new Error("end before start");
    this.finished = true;
    this.sendEnd(trailers);
  }

  abort(): void {
    if (this.finished) return;
    this.finished = true;
    this.cut();
  }

  /** The client is gone or the connection was taken over: nothing more is sent. */
  close(): void {
    this.finished = true;
  }

  /** The whole response; `body` is empty where none may be sent. */
  protected abstract sendWhole(status: number, lines: string[], body: Uint8Array | string): void;
  protected abstract sendHead(status: number, lines: string[]): void;
  protected abstract sendChunk(chunk: Uint8Array): boolean;
  protected abstract sendEnd(trailers: Trailers | undefined): void;
  protected abstract cut(): void;

  #begin(status: number): void {
    this.beforeHead?.();
    this.started = true;
    this.status = status;
  }
}
