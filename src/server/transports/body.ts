/** Request bodies: read whole within a limit, or streamed with back-pressure. */
import type { Readable } from "node:stream";
import { badRequest, requestEntityTooLarge } from "../../api/status.ts";
import type { RequestBody } from "../exchange.ts";

const NOTHING = new Uint8Array(0);

/** spec: apiserver 1.9 */
const tooLarge = (limit: number) => requestEntityTooLarge(`limit is ${limit}`);

const twice = () => new Error("the request body was already taken");

/** A body that is already here, or none. */
export class WholeBody implements RequestBody {
  readonly length: number;
  #content: Uint8Array;
  #taken = false;

  constructor(content: Uint8Array = NOTHING) {
    this.#content = content;
    this.length = content.byteLength;
  }

  async bytes(limit: number): Promise<Uint8Array> {
    return this.#take(limit);
  }

  async *stream(): AsyncIterable<Uint8Array> {
    const content = this.#take(Number.POSITIVE_INFINITY);
    if (content.byteLength > 0) yield content;
  }

  #take(limit: number): Uint8Array {
    if (this.#taken && this.length > 0) throw twice();
    if (this.length > limit) throw tooLarge(limit);
    this.#taken = true;
    const content = this.#content;
    this.#content = NOTHING;
    return content;
  }
}

export interface StreamedBodyOptions {
  signal(): AbortSignal;
  /** Whether an end of the stream was the end of the body: Node ends the stream of a reset request, too. */
  complete(): boolean;
  /** Runs when somebody begins to read: the moment for `100 Continue`. */
  readonly wanted?: (() => void) | undefined;
}

const cutShort = () => badRequest("unexpected end of the request body");

/** A body that arrives on a stream of Node's. */
export class StreamedBody implements RequestBody {
  readonly length: number | undefined;
  readonly #source: Readable;
  readonly #signal: () => AbortSignal;
  readonly #complete: () => boolean;
  readonly #wanted: (() => void) | undefined;
  #taken = false;

  constructor(source: Readable, length: number | undefined, options: StreamedBodyOptions) {
    this.#source = source;
    this.length = length;
    this.#signal = options.signal;
    this.#complete = options.complete;
    this.#wanted = options.wanted;
  }

  async bytes(limit: number): Promise<Uint8Array> {
    if (this.length !== undefined && this.length > limit) throw tooLarge(limit);
    this.#take();
    const source = this.#source;
    const signal = this.#signal();
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = [];
      let size = 0;
      const stop = () => {
        source.off("data", onData).off("end", onEnd).off("error", onGone).off("close", onGone);
        signal.removeEventListener("abort", onAbort);
      };
      const onData = (chunk: Uint8Array) => {
        size += chunk.byteLength;
        if (size > limit) {
          source.pause();
          stop();
          reject(tooLarge(limit));
        } else chunks.push(chunk);
      };
      const onEnd = () => {
        stop();
        if (!this.#complete()) reject(cutShort());
        else resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size));
      };
      const onGone = () => {
        stop();
        reject(cutShort());
      };
      const onAbort = () => {
        source.pause();
        stop();
        reject(signal.reason);
      };
      source.on("data", onData).on("end", onEnd).on("error", onGone).on("close", onGone);
      signal.addEventListener("abort", onAbort);
    });
  }

  async *stream(): AsyncIterable<Uint8Array> {
    this.#take();
    yield* this.#source.iterator({ destroyOnReturn: false });
    if (!this.#complete()) throw cutShort();
  }

  #take(): void {
    if (this.#taken) throw twice();
    this.#taken = true;
    this.#wanted?.();
  }
}
