/** HTTP/2 requests on node:http2's streams; its compatibility layer costs headers their order and their repetition. */
import { constants, type ServerHttp2Stream } from "node:http2";
import type { Peer } from "../exchange.ts";
import { StreamedBody, WholeBody } from "./body.ts";
import { type Trailers, TransportResponse } from "./response.ts";
import { ServedExchange } from "./served-exchange.ts";

export interface H2Context {
  readonly peer: Peer;
  readonly received: number;
  newAuditID(): string;
  /** Runs when the stream is over. */
  closed?(): void;
}

const ignore = () => {};

/** `rawHeaders` as node:http2 hands them over, pseudo-headers included; `ended`: the request has no body. */
export function h2Exchange(
  stream: ServerHttp2Stream,
  rawHeaders: readonly string[],
  ended: boolean,
  context: H2Context,
): ServedExchange {
  let method = "";
  let target = "";
  let length: number | undefined;
  let expectsContinue = false;
  const headers: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    const value = rawHeaders[i + 1]!;
    if (name.charCodeAt(0) === 58) {
      if (name === ":method") method = value;
      else if (name === ":path") target = value;
      continue;
    }
    if (name === "content-length") length = Number(value);
    else if (name === "expect") expectsContinue = value.toLowerCase() === "100-continue";
    headers.push(name, value);
  }
  const response = new H2Response(stream, method, ended);
  const exchange = new ServedExchange({
    method,
    target,
    rawHeaders: headers,
    peer: context.peer,
    response,
    received: context.received,
    newAuditID: context.newAuditID,
  });
  exchange.body = ended
    ? new WholeBody()
    : new StreamedBody(stream, length, {
        signal: () => exchange.signal,
        complete: () => !stream.aborted && stream.rstCode === constants.NGHTTP2_NO_ERROR,
        wanted: expectsContinue ? () => stream.additionalHeaders({ ":status": 100 }) : undefined,
      });
  stream.on("error", ignore);
  stream.on("close", () => {
    context.closed?.();
    // Not by the stream's own flags: Node marks the writable side of a reset stream as finished.
    if (response.finished) return;
    response.close();
    exchange.cancel("client-gone");
  });
  return exchange;
}

class H2Response extends TransportResponse {
  readonly #stream: ServerHttp2Stream;
  readonly #requestEnded: boolean;
  #trailers: Trailers | undefined;

  constructor(stream: ServerHttp2Stream, method: string, requestEnded: boolean) {
    super(method);
    this.#stream = stream;
    this.#requestEnded = requestEnded;
  }

  drained(): Promise<void> {
    const stream = this.#stream;
    if (this.finished || !stream.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        stream.off("drain", done).off("close", done);
        resolve();
      };
      stream.on("drain", done).on("close", done);
    });
  }

  protected sendWhole(status: number, lines: string[], body: Uint8Array | string): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    const head = this.#head(status, lines);
    if (body.length === 0) stream.respond(head, { endStream: true });
    else {
      stream.respond(head);
      stream.end(body);
    }
    this.#release();
  }

  protected sendHead(status: number, lines: string[]): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    stream.respond(this.#head(status, lines), { waitForTrailers: true });
    stream.on("wantTrailers", () => {
      // None at all still end the stream; closing it would reset it, which Go's client takes for a failure.
      const trailers = this.#trailers ?? [];
      stream.sendTrailers(Object.fromEntries(trailers.map(([name, value]) => [name.toLowerCase(), value])));
    });
  }

  protected sendChunk(chunk: Uint8Array): boolean {
    if (this.#stream.destroyed || this.#stream.closed) return true;
    return this.#stream.write(chunk);
  }

  protected sendEnd(trailers: Trailers | undefined): void {
    this.#trailers = trailers;
    if (this.#stream.destroyed || this.#stream.closed) return;
    this.#stream.end();
    this.#release();
  }

  protected cut(): void {
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** Lower-case names, nothing that belongs to a connection; `Connection: close` becomes GOAWAY. */
  #head(status: number, lines: string[]): string[] {
    const head: string[] = [":status", `${status}`];
    for (let i = 0; i < lines.length; i += 2) {
      const name = lines[i]!.toLowerCase();
      if (name === "connection") {
        if (lines[i + 1]!.toLowerCase() === "close") this.#stream.session?.close();
      } else if (name !== "keep-alive" && name !== "transfer-encoding" && name !== "upgrade")
        head.push(name, lines[i + 1]!);
    }
    return head;
  }

  /** A body nobody read is refused with NO_ERROR once the response is out (RFC 9113 8.1). */
  #release(): void {
    const stream = this.#stream;
    if (this.#requestEnded || stream.readableEnded) return;
    stream.once("finish", () => {
      if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }
}
