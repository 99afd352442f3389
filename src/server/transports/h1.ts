/** HTTP/1.1 requests on node:http's parser, and connections handed over for upgrades. */
import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Peer, RequestBody, UpgradedConnection } from "../exchange.ts";
import { StreamedBody, WholeBody } from "./body.ts";
import { type Trailers, TransportResponse } from "./response.ts";
import { ServedExchange } from "./served-exchange.ts";

export interface H1Context {
  readonly peer: Peer;
  readonly received: number;
  newAuditID(): string;
  /** Whether the server is shutting down: responses then close their connection. */
  draining(): boolean;
  /** Runs when the response is over. */
  closed?(): void;
}

const ignore = () => {};

/** How much of a body nobody wanted is read away to keep the connection; past it the connection ends. */
const SKIPPED_BODY_LIMIT = 256 * 1024;
/** How long such a client may go on sending, milliseconds: it should get to read the response. */
const LINGER = 500;

/** `expectsContinue`: the client waits for `100 Continue`, which is sent when somebody reads the body. */
export function h1Exchange(
  request: IncomingMessage,
  reply: ServerResponse,
  context: H1Context,
  expectsContinue = false,
): ServedExchange {
  const { headers } = request;
  const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"]) > 0;
  const response = new H1Response(request, reply, context, hasBody);
  const exchange = newExchange(request, response, context, undefined);
  exchange.body = hasBody
    ? new StreamedBody(request, contentLength(request), {
        signal: () => exchange.signal,
        complete: () => request.complete,
        wanted: expectsContinue ? () => reply.writeContinue() : undefined,
      })
    : new WholeBody();
  const onGone = () => gone(exchange, response);
  reply.on("close", () => {
    context.closed?.();
    onGone();
  });
  reply.on("error", onGone);
  request.on("error", ignore);
  return exchange;
}

/** A request with `Connection: Upgrade`: either somebody calls `upgrade`, or it is answered and its connection closed. */
export function h1UpgradeExchange(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  context: H1Context,
): ServedExchange {
  const reply = new ServerResponse(request);
  reply.shouldKeepAlive = false;
  reply.assignSocket(socket as import("node:net").Socket);
  const response = new H1Response(request, reply, context, false);
  let taken = false;
  const upgrade = (): UpgradedConnection => {
    if (taken || response.started || response.finished) throw new Error("the connection is not free to be taken over");
    taken = true;
    response.close();
    reply.detachSocket(socket as import("node:net").Socket);
    socket.off("error", onError);
    return { socket, head };
  };
  const exchange = newExchange(request, response, context, upgrade);
  const body: RequestBody = new WholeBody();
  exchange.body = body;
  const onError = () => gone(exchange, response);
  socket.on("error", onError);
  socket.on("close", () => exchange.cancel("client-gone"));
  reply.on("finish", () => {
    reply.detachSocket(socket as import("node:net").Socket);
    socket.end();
    // Nobody reads it any more: a client that does not close would stay for ever.
    socket.resume();
    const linger = setTimeout(() => socket.destroy(), LINGER);
    socket.once("close", () => clearTimeout(linger));
  });
  return exchange;
}

/** Whether to leave HTTP for this request: never with a body in the way, and never for `h2c`, which only a plain-text server could mean. */
export function wantsUpgrade(request: IncomingMessage): boolean {
  const { headers } = request;
  if (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0) return false;
  return headers.upgrade !== undefined && headers.upgrade.toLowerCase() !== "h2c";
}

function newExchange(
  request: IncomingMessage,
  response: H1Response,
  context: H1Context,
  upgrade: (() => UpgradedConnection) | undefined,
): ServedExchange {
  return new ServedExchange({
    method: request.method ?? "",
    target: request.url ?? "",
    rawHeaders: request.rawHeaders,
    peer: context.peer,
    response,
    received: context.received,
    newAuditID: context.newAuditID,
    upgrade,
  });
}

function contentLength(request: IncomingMessage): number | undefined {
  const text = request.headers["content-length"];
  return text === undefined ? undefined : Number(text);
}

function gone(exchange: ServedExchange, response: H1Response): void {
  if (response.finished) return;
  response.close();
  exchange.cancel("client-gone");
}

/** What no server may answer: an unknown version, no single Host, or a Host that is none. The code and the text of the refusal. */
export function refusalOf(request: IncomingMessage): readonly [code: number, text: string] | undefined {
  const { httpVersionMajor, httpVersionMinor, rawHeaders } = request;
  if (httpVersionMajor !== 1 || httpVersionMinor > 1) {
    return httpVersionMajor === 0
      ? [400, "400 Bad Request"]
      : [505, "505 HTTP Version Not Supported: unsupported protocol version"];
  }
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.length !== 4 || rawHeaders[index]!.toLowerCase() !== "host") continue;
    if (++hosts > 1) return [400, "400 Bad Request: too many Host headers"];
    if (!HOST.test(rawHeaders[index + 1]!)) return [400, "400 Bad Request: malformed Host header"];
  }
  return undefined;
}

const HOST = /^[0-9A-Za-z!$%&'()*+,\-.:;=[\]_~]*$/;

/** Answers without a request being handled, and closes. */
export function refuse(request: IncomingMessage, [code, text]: readonly [code: number, text: string]): void {
  const { socket } = request;
  socket.end(
    `HTTP/1.1 ${code} ${text.slice(4)}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n` +
      `Content-Length: ${text.length}\r\n\r\n${text}`,
  );
}

class H1Response extends TransportResponse {
  readonly #request: IncomingMessage;
  readonly #reply: ServerResponse;
  readonly #context: H1Context;
  readonly #hasBody: boolean;
  /** Something was written behind the head, and took it along. */
  #headGone = false;

  constructor(request: IncomingMessage, reply: ServerResponse, context: H1Context, hasBody: boolean) {
    super(request.method ?? "");
    this.#request = request;
    this.#reply = reply;
    this.#context = context;
    this.#hasBody = hasBody;
  }

  drained(): Promise<void> {
    const reply = this.#reply;
    if (this.finished || !reply.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        reply.off("drain", done).off("close", done);
        resolve();
      };
      reply.on("drain", done).on("close", done);
    });
  }

  protected sendWhole(status: number, lines: string[], body: Uint8Array | string): void {
    this.#head(status, lines);
    this.#reply.end(body);
    this.#skipBody();
  }

  /** The head goes out at once, but with the first bytes when they come in the same turn: every write is a TLS record and a system call. */
  protected sendHead(status: number, lines: string[]): void {
    this.#head(status, lines);
    queueMicrotask(() => {
      if (!this.#headGone && !this.#reply.destroyed) this.#reply.flushHeaders();
    });
  }

  protected sendChunk(chunk: Uint8Array): boolean {
    this.#headGone = true;
    return this.#reply.write(chunk);
  }

  protected sendEnd(trailers: Trailers | undefined): void {
    if (trailers !== undefined)
      this.#reply.addTrailers(trailers.map(([name, value]): [string, string] => [name, value]));
    this.#headGone = true;
    this.#reply.end();
    this.#skipBody();
  }

  protected cut(): void {
    this.#request.socket.destroy();
  }

  #head(status: number, lines: string[]): void {
    if ((this.#context.draining() || this.#leavesBody()) && !this.hasHeader("connection"))
      lines.push("Connection", "close");
    this.#reply.writeHead(status, lines);
  }

  /** Whether so much of the body is still to come that the connection cannot serve another request. */
  #leavesBody(): boolean {
    if (!this.#hasBody || this.#request.complete) return false;
    return (contentLength(this.#request) ?? Number.POSITIVE_INFINITY) > SKIPPED_BODY_LIMIT;
  }

  /**
   * The answer came before the whole body did. A small rest is read away. A large one is not: the client was told that the connection closes,
   * our side is ended, and the client has the linger time to notice before a reset could take the response from it.
   */
  #skipBody(): void {
    const request = this.#request;
    if (!this.#hasBody || request.complete) return;
    const { socket } = request;
    const closes = this.#leavesBody();
    if (closes) socket.destroySoon = () => void socket.end();
    let left = SKIPPED_BODY_LIMIT;
    const stop = () => {
      clearTimeout(timer);
      request.off("data", count);
    };
    const cut = () => {
      stop();
      socket.destroy();
    };
    const count = (chunk: Uint8Array) => {
      left -= chunk.byteLength;
      if (left < 0) request.pause();
    };
    const timer = setTimeout(cut, LINGER);
    request.on("data", count).once("close", stop);
    if (!closes) request.once("end", stop);
    request.resume();
  }
}
