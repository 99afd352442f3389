/** Upgrades (WebSocket, SPDY, anything) to a backend: bytes both ways once both sides agreed (spec: aggregation 3.8). */
import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Clock, Timer } from "../api/clock.ts";
import type { Exchange } from "../server/exchange.ts";
import { RequestCancelled } from "../server/transports/served-exchange.ts";
import { DialError, dialError } from "./dial-errors.ts";
import { CONNECT_TIMEOUT, type Dialer, MAX_INFORMATIONAL } from "./dialer.ts";
import { responseHeaders } from "./headers.ts";
import type { Address } from "./resolver.ts";
import type { TargetTLS } from "./tls.ts";

export interface UpgradeOptions {
  readonly clock: Clock;
  readonly dialer: Pick<Dialer, "lookup" | "settings" | "maxHeaderSize">;
  readonly address: Address;
  readonly tls: TargetTLS;
  /** With the query. */
  readonly path: string;
  /** name, value, …: as the backend gets them. */
  readonly headers: readonly string[];
  /** A connection stands. */
  connected(): void;
  /** The attempt failed before there was an answer. */
  failed(error: DialError): void;
}

/** How much of a refusal's body is passed on, bytes. */
const MAX_REFUSAL = 1024 * 1024;
/** How long passing a refusal on may take, and what was written when a tunnel ends, milliseconds. */
const LAST_WORDS = 10_000;
/** Tunnels through which nothing went for this long are closed, milliseconds; looked at every so often. */
const TUNNEL_IDLE = 4 * 3_600_000;
const TUNNEL_LOOK = TUNNEL_IDLE / 16;
const KEEP_ALIVE = 30_000;

/** Two connections that were joined. */
export interface Tunnel {
  /** Resolves when both are closing. */
  readonly ended: Promise<void>;
}

/**
 * Dials the backend on a connection of its own, writes the request, and joins the two connections when the answer is 101. A refusal
 * (400 and above) is passed on and both connections are closed: nothing the client sends after it may reach the backend. Resolves to
 * the failure when there was no answer, to the tunnel when there is one, and to undefined when everything is over.
 */
export function proxyUpgrade(exchange: Exchange, options: UpgradeOptions): Promise<DialError | Tunnel | undefined> {
  const { address, clock, dialer } = options;
  const { signal } = exchange;
  return new Promise((resolve) => {
    let over = false;
    let informational = 0;
    const settle = (outcome?: DialError | Tunnel) => {
      if (over) return;
      over = true;
      limit.cancel();
      signal.removeEventListener("abort", onAbort);
      resolve(outcome);
    };
    const fail = (error: unknown) => {
      if (over) return;
      const failure = dialError(error, address.authority, clock.now());
      options.failed(failure);
      settle(failure);
    };

    const request = httpsRequest({
      ...dialer.settings(options.tls),
      host: address.host,
      port: address.port,
      method: exchange.method,
      path: options.path,
      headers: options.headers,
      agent: false,
      timeout: 0,
      maxHeaderSize: dialer.maxHeaderSize,
      lookup: dialer.lookup,
    });
    const limit = clock.after(CONNECT_TIMEOUT, () =>
      request.destroy(new DialError("Timeout", `dial tcp ${address.authority}: i/o timeout`, true)),
    );
    const onAbort = () => {
      fail(new DialError("Other", "context canceled", false, signal.reason));
      request.destroy();
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });

    request.on("socket", (socket) =>
      socket.once("secureConnect", () => {
        limit.cancel();
        options.connected();
        (socket as TLSSocket).setKeepAlive(true, KEEP_ALIVE).setNoDelay(true);
      }),
    );
    request.on("error", fail);
    request.on("information", () => {
      if (++informational <= MAX_INFORMATIONAL) return;
      fail(new DialError("Other", "too many 1xx informational responses", false));
      request.destroy();
    });
    request.on("upgrade", (answer, backend, backendHead) => {
      backend.on("error", () => {});
      const client = over ? undefined : take(exchange);
      if (client === undefined) {
        backend.destroy();
        return settle();
      }
      const agreed = ["Connection", "Upgrade", "Upgrade", answer.headers.upgrade ?? ""];
      client.socket.write(headText(101, "Switching Protocols", [...passing(answer), ...agreed]), "latin1");
      if (backendHead.length > 0) client.socket.write(backendHead);
      if (client.head.length > 0) backend.write(client.head);
      const ended = Promise.withResolvers<void>();
      const close = join(client.socket, backend, clock, () => {
        signal.removeEventListener("abort", onEnd);
        ended.resolve();
      });
      settle({ ended: ended.promise });
      // The deadline is for getting an answer; what was agreed on lasts.
      const onEnd = () => {
        if (!(signal.reason instanceof RequestCancelled && signal.reason.cause === "deadline")) close();
      };
      signal.addEventListener("abort", onEnd);
    });
    request.on("response", (answer) => {
      answer.on("error", () => {});
      const status = answer.statusCode ?? 0;
      // A 101 that names no protocol comes here too.
      if (status < 400) {
        fail(new DialError("Other", `invalid upgrade response: status code ${status}`, false));
        return request.destroy();
      }
      const client = over ? undefined : take(exchange);
      if (client === undefined) {
        request.destroy();
        return settle();
      }
      refuse(client.socket, answer, clock, () => {
        request.destroy();
        settle();
      });
    });
    request.end();
  });
}

/** The client's connection; undefined when the client has left or was answered meanwhile. */
function take(exchange: Exchange) {
  if (exchange.response.started || exchange.response.finished) return undefined;
  return exchange.upgrade?.();
}

/** Passes a refusal on and closes the client's connection whatever becomes of it. */
function refuse(client: Duplex, answer: IncomingMessage, clock: Clock, done: () => void): void {
  const close = () => {
    limit.cancel();
    done();
    client.end(() => client.destroy());
  };
  const limit = clock.after(LAST_WORDS, () => {
    done();
    client.destroy();
  });
  client.on("error", close).on("close", () => limit.cancel());
  // Whatever it sends is read away, so that its end is noticed.
  client.resume();
  const head = [...passing(answer), "Connection", "close"];
  client.write(headText(answer.statusCode ?? 0, answer.statusMessage ?? "", head), "latin1");
  let sent = 0;
  answer.on("data", (chunk: Buffer) => {
    sent += chunk.length;
    if (sent <= MAX_REFUSAL) client.write(chunk);
    else answer.destroy();
  });
  answer.on("end", close).on("close", close);
}

/** The headers of an answer that may pass, flat. */
function passing(answer: IncomingMessage): string[] {
  const kept: string[] = [];
  responseHeaders(
    answer.rawHeaders,
    () => false,
    (name, value) => kept.push(name, value),
  );
  return kept;
}

/** A response head; Node reads header bytes as latin1, and so they are to be written. */
function headText(status: number, message: string, raw: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${message}\r\n`;
  for (let index = 0; index + 1 < raw.length; index += 2) text += `${raw[index]}: ${raw[index + 1]}\r\n`;
  return `${text}\r\n`;
}

/** Copies both ways with back-pressure until either side ends or both are silent for hours; then both are closed. Answers how to close them. */
function join(client: Duplex, backend: Duplex, clock: Clock, done: () => void): () => void {
  let over = false;
  let timer: Timer | undefined;
  const close = () => {
    if (over) return;
    over = true;
    timer?.cancel();
    timer = clock.after(LAST_WORDS, () => {
      client.destroy();
      backend.destroy();
    });
    let open = 2;
    for (const socket of [client, backend]) {
      const closed = () => --open === 0 && timer?.cancel();
      if (socket.destroyed) closed();
      else socket.once("close", closed).end(() => socket.destroy());
    }
    done();
  };
  const received = () =>
    ("bytesRead" in client ? Number(client.bytesRead) : 0) + Number((backend as TLSSocket).bytesRead);
  let last = received();
  let quiet = 0;
  const look = () => {
    const now = received();
    quiet = now === last ? quiet + TUNNEL_LOOK : 0;
    last = now;
    if (quiet >= TUNNEL_IDLE) close();
    else timer = clock.after(TUNNEL_LOOK, look);
  };
  timer = clock.after(TUNNEL_LOOK, look);
  for (const socket of [client, backend]) socket.on("error", close).on("end", close).on("close", close);
  client.pipe(backend, { end: false });
  backend.pipe(client, { end: false });
  return close;
}
