/** Upgrades (WebSocket, SPDY, anything) to a backend: bytes both ways once both sides agreed (spec: aggregation 3.8). */
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import type { Clock } from "../api/clock.ts";
import type { Exchange } from "../server/exchange.ts";
import { DialError, dialError } from "./dial-errors.ts";
import { CONNECT_TIMEOUT, type Dialer } from "./dialer.ts";
import { requestHeaders, responseHeaders } from "./headers.ts";
import { textError } from "./proxy.ts";
import type { Address } from "./resolver.ts";
import { type TargetTLS, tlsOptions } from "./tls.ts";

export interface UpgradeOptions {
  readonly clock: Clock;
  readonly dialer: Pick<Dialer, "lookup">;
  readonly address: Address;
  readonly tls: TargetTLS;
  /** With the query. */
  readonly path: string;
  readonly credentials?: ReadonlySet<string>;
  onError?(exchange: Exchange, error: Error): void;
}

/** How much of a refusal's body is passed on, bytes. */
const MAX_REFUSAL = 1024 * 1024;

/**
 * Dials the backend, writes the request with the caller's identity, and joins the two connections when the answer is 101. A refusal
 * (400 and above) is passed on and both connections are closed: nothing the client sends after it may reach the backend.
 */
export function proxyUpgrade(exchange: Exchange, options: UpgradeOptions): Promise<void> {
  const { address } = options;
  return new Promise((resolve) => {
    const headers = requestHeaders({
      raw: exchange.rawHeaders,
      user: exchange.user,
      auditID: exchange.auditID,
      authority: address.authority,
      clientAddress: exchange.peer.address,
      path: "",
      upgrade: true,
      ...(options.credentials !== undefined && { credentials: options.credentials }),
    });
    headers.push("Connection", "Upgrade", "Upgrade", exchange.header("upgrade") ?? "");
    const request = httpsRequest({
      ...tlsOptions(options.tls),
      host: address.host,
      port: address.port,
      method: exchange.method,
      path: options.path,
      headers,
      agent: false,
      timeout: 0,
      ...(options.dialer.lookup !== undefined && { lookup: options.dialer.lookup }),
    });
    const limit = options.clock.after(CONNECT_TIMEOUT, () =>
      request.destroy(new DialError("Timeout", `dial tcp ${address.authority}: i/o timeout`, true)),
    );
    request.on("socket", (socket) => socket.once("secureConnect", () => limit.cancel()));
    const onAbort = () => request.destroy(new Error("context canceled"));
    exchange.signal.addEventListener("abort", onAbort, { once: true });
    const settle = () => {
      limit.cancel();
      exchange.signal.removeEventListener("abort", onAbort);
      resolve();
    };

    request.on("error", (error) => {
      const failure = dialError(error, address.authority, options.clock.now());
      options.onError?.(exchange, failure);
      if (!exchange.response.finished) textError(exchange, 503, `error dialing backend: ${failure.message}`);
      settle();
    });
    request.on("upgrade", (answer, backend, backendHead) => {
      const { socket: client, head } = exchange.upgrade!();
      client.write(headText(101, "Switching Protocols", answer.rawHeaders), "latin1");
      if (backendHead.length > 0) client.write(backendHead);
      if (head.length > 0) backend.write(head);
      join(client, backend, () => {
        settle();
      });
    });
    request.on("response", (answer) => {
      const status = answer.statusCode ?? 0;
      if (status < 400) {
        answer.destroy();
        textError(exchange, 503, `invalid upgrade response: status code ${status}`);
        return settle();
      }
      const { socket: client } = exchange.upgrade!();
      client.on("error", () => answer.destroy());
      const kept: string[] = [];
      responseHeaders(
        pairs(answer.rawHeaders),
        () => false,
        (name, value) => kept.push(name, value),
      );
      client.write(headText(status, answer.statusMessage ?? "", [...kept, "Connection", "close"]), "latin1");
      let sent = 0;
      answer.on("data", (chunk: Buffer) => {
        sent += chunk.length;
        if (sent <= MAX_REFUSAL) client.write(chunk);
        else answer.destroy();
      });
      const close = () => {
        client.end(() => client.destroy());
        request.destroy();
        settle();
      };
      answer.on("end", close).on("error", close).on("close", close);
    });
    request.end();
  });
}

/** A response head; Node reads header bytes as latin1, and so they are to be written. */
function headText(status: number, message: string, rawHeaders: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${message}\r\n`;
  for (const [name, value] of pairs(rawHeaders)) text += `${name}: ${value}\r\n`;
  return `${text}\r\n`;
}

function pairs(rawHeaders: readonly string[]): [name: string, value: string][] {
  const found: [string, string][] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2)
    found.push([rawHeaders[index]!, rawHeaders[index + 1]!]);
  return found;
}

/** Copies both ways with back-pressure until either side ends; then both are closed. */
function join(client: Duplex, backend: Duplex, done: () => void): void {
  let over = false;
  const close = () => {
    if (over) return;
    over = true;
    client.end(() => client.destroy());
    backend.end(() => backend.destroy());
    done();
  };
  for (const socket of [client, backend]) socket.on("error", close).on("end", close).on("close", close);
  client.pipe(backend, { end: false });
  backend.pipe(client, { end: false });
}
