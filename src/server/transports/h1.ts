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

class H1Response extends TransportResponse {
  readonly #request: IncomingMessage;
  readonly #reply: ServerResponse;
  readonly #context: H1Context;
  readonly #hasBody: boolean;

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

  protected sendHead(status: number, lines: string[]): void {
    this.#head(status, lines);
    this.#reply.flushHeaders();
  }

  protected sendChunk(chunk: Uint8Array): boolean {
    return this.#reply.write(chunk);
  }

  protected sendEnd(trailers: Trailers | undefined): void {
    if (trailers !== undefined)
      this.#reply.addTrailers(trailers.map(([name, value]): [string, string] => [name, value]));
    this.#reply.end();
    this.#skipBody();
  }

  protected cut(): void {
    this.#request.socket.destroy();
  }

  #head(status: number, lines: string[]): void {
    const last = this.#context.draining() || this.#leavesBody();
    if (last && !this.hasHeader("connection")) lines.push("Connection", "close");
    this.#reply.writeHead(status, lines);
  }

  /** Whether more of the body is to come than will be read away: nobody may send another request behind it. */
  #leavesBody(): boolean {
    if (!this.#hasBody || this.#request.complete) return false;
    const declared = contentLength(this.#request);
    return declared === undefined || declared > SKIPPED_BODY_LIMIT;
  }

  /** The answer came before the whole body did: the rest is read away, but only a little of it and not for long. */
  #skipBody(): void {
    const request = this.#request;
    if (!this.#hasBody || request.complete) return;
    const { socket } = request;
    const declared = contentLength(request);
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
      if (left < 0) cut();
    };
    const timer = setTimeout(cut, LINGER);
    request.on("data", count).once("end", stop).once("close", stop);
    // What is certainly too much is not read at all; the client has the linger time to notice the response.
    if (declared !== undefined && declared > SKIPPED_BODY_LIMIT) request.pause();
    else request.resume();
  }
}
