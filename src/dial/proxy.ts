/** The reverse proxy behind aggregation: one exchange to one backend, streamed both ways (spec: aggregation 3.2 to 3.7). */
import type { Dispatcher } from "undici";
import type { Clock } from "../api/clock.ts";
import { StatusError } from "../api/status.ts";
import type { Exchange } from "../server/exchange.ts";
import { isLongRunning } from "../server/request-info.ts";
import { RequestCancelled } from "../server/transports/served-exchange.ts";
import type { Breaker } from "./breaker.ts";
import type { Bulkhead } from "./bulkhead.ts";
import { DialError, dialError } from "./dial-errors.ts";
import { type Connection, type Dialer, MAX_INFORMATIONAL } from "./dialer.ts";
import { canonicalPath, canonicalQuery } from "./go-url.ts";
import { requestHeaders, responseHeaders } from "./headers.ts";
import type { Address } from "./resolver.ts";
import { Silence } from "./silence.ts";
import { type TargetTLS, TransportError } from "./tls.ts";
import { proxyUpgrade } from "./upgrade.ts";

export interface ProxyTarget {
  /** Where this request goes; asked anew for every attempt. Throws when there is nowhere to go. */
  resolve(): Address;
  readonly tls: TargetTLS;
  readonly bulkhead: Bulkhead;
  /** Instead of the request's own query, still raw. */
  readonly query?: string;
}

export interface ProxyOptions {
  readonly clock: Clock;
  readonly dialer: Dialer;
  readonly breaker: Breaker;
  /** Answer redirects with 502 instead of passing them on. Default true. */
  readonly rejectRedirects?: boolean;
  /** Names, in lower case, that authentication consumes beside the standard ones; prefixes end in `*`. */
  readonly credentials?: ReadonlySet<string>;
  /** Told of every failure, with the exchange it belongs to: the reason stays with the operator. */
  onError?(exchange: Exchange, error: Error): void;
  /** Told of requests that were answered here, with their code, because there was nobody to ask. */
  onTerminated?(exchange: Exchange, code: number): void;
}

export type ReverseProxy = (exchange: Exchange, target: ProxyTarget) => Promise<void>;

/** The limit for discovery documents, milliseconds. */
const DISCOVERY_TIMEOUT = 5000;
/** A watch is answered as soon as it began; other requests have a deadline of their own. Milliseconds. */
const WATCH_HEAD_TIMEOUT = 60_000;
/** How often another address is asked for when one is known to refuse connections. */
const OTHER_ADDRESSES = 4;

const REDIRECT = "the backend attempted to redirect this request, which is not permitted";

/** A plain-text answer as Go's http.Error writes it. */
export function textError(exchange: Exchange, code: number, message: string): void {
  const { response } = exchange;
  if (response.started) {
    response.abort();
    return;
  }
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.send(code, "text/plain; charset=utf-8", `${message}\n`);
}

/** Whether this is a request for `/apis/<group>/<version>`, which must be answered quickly. */
function isDiscovery(exchange: Exchange): boolean {
  const { isResourceRequest, path } = exchange.info;
  return !isResourceRequest && path.replace(/^\/+|\/+$/g, "").split("/").length === 3;
}

export function createProxy(options: ProxyOptions): ReverseProxy {
  const { clock, dialer, breaker } = options;
  const silence = new Silence({ clock });
  const report = (exchange: Exchange, error: unknown) =>
    options.onError?.(exchange, error instanceof Error ? error : new Error(String(error)));

  /** An address whose breaker is closed, if one turns up in a few tries. */
  function pick(target: ProxyTarget): Address {
    let address = target.resolve();
    for (let turn = 0; turn < OTHER_ADDRESSES && breaker.isOpen(address.authority); turn++) address = target.resolve();
    return address;
  }

  return async (exchange, target) => {
    let address: Address;
    try {
      dialer.settings(target.tls);
    } catch (error) {
      report(exchange, error);
      if (!(error instanceof TransportError)) throw error;
      options.onTerminated?.(exchange, 500);
      return textError(exchange, 500, error.message);
    }
    try {
      address = pick(target);
    } catch (error) {
      report(exchange, error);
      options.onTerminated?.(exchange, 503);
      return textError(exchange, 503, "service unavailable");
    }
    const query = target.query ?? exchange.rawQuery;
    const path = canonicalPath(exchange.rawPath);
    if (path === undefined) return textError(exchange, 400, "400 Bad Request");
    const upgrading = exchange.upgrade !== undefined;
    const hasBody = !upgrading && carriesBody(exchange);
    // What an upgrade leads to lasts as long as both sides like.
    const longRunning = isLongRunning(exchange.info);
    const release = await target.bulkhead.enter(upgrading || longRunning, exchange.signal);
    let tunnel: Promise<void> | undefined;
    /** Whether anybody began to read the body in the last attempt: it can be sent once. */
    let begun = () => false;
    try {
      for (let attempt = 0; ; attempt++) {
        const failure = breaker.refuse(address.authority) ?? (await once());
        if (failure === undefined) return;
        if (exchange.signal.aborted) {
          // A client that leaves says nothing about the backend; one that waited in vain does.
          const { reason } = exchange.signal;
          if (reason instanceof RequestCancelled && reason.cause === "deadline")
            report(exchange, new DialError("Timeout", "no answer before the deadline of the request", false, reason));
          return abandoned(exchange);
        }
        // Only what cannot have reached the backend, or may safely reach it twice, is tried again.
        const { method } = exchange;
        const repeatable = !upgrading && (method === "GET" || method === "HEAD");
        const safe = failure.atConnect ? !begun() : failure.reason === "Reset" && repeatable && !hasBody;
        if (attempt === 0 && safe && !exchange.response.started) {
          const other = another(address);
          if (other !== undefined && (failure.reason === "Reset" || other.authority !== address.authority)) {
            address = other;
            continue;
          }
        }
        report(exchange, failure);
        const what = upgrading
          ? failure.atConnect
            ? "error dialing backend: "
            : ""
          : "error trying to reach service: ";
        return textError(exchange, 503, what + failure.message);
      }
    } finally {
      if (tunnel === undefined) release();
      else void tunnel.then(release);
    }

    function another(current: Address): Address | undefined {
      try {
        const other = pick(target);
        return other.authority === current.authority ? pick(target) : other;
      } catch {
        return undefined;
      }
    }

    /** One attempt; a failure before the response began is returned. */
    async function once(): Promise<DialError | undefined> {
      let headers: string[];
      const { authority } = address;
      try {
        headers = requestHeaders({
          raw: exchange.rawHeaders,
          user: exchange.user,
          auditID: exchange.auditID,
          authority,
          clientAddress: exchange.peer.address,
          path: path!,
          ...(upgrading && { upgrade: exchange.header("upgrade") ?? "" }),
          ...(options.credentials !== undefined && { credentials: options.credentials }),
        });
      } catch (error) {
        return dialError(error, authority, clock.now());
      }
      const connected = () => breaker.succeeded(authority);
      const failed = (error: DialError) => breaker.failed(authority, error);
      if (upgrading) {
        // Bodies are empty here, and Go's clients say so.
        if (exchange.method !== "GET" && exchange.method !== "HEAD") headers.push("Content-Length", "0");
        const { tls } = target;
        const whole = withQuery(path!, query);
        const options = { clock, dialer, address, tls, path: whole, headers, connected, failed };
        const outcome = await proxyUpgrade(exchange, options);
        if (outcome === undefined || outcome instanceof DialError) return outcome;
        // Other requests have a place among those in flight, which a tunnel must not keep for hours.
        if (longRunning) await outcome.ended;
        else tunnel = outcome.ended;
        return undefined;
      }
      if (hasBody && exchange.body.length !== undefined) headers.push("Content-Length", String(exchange.body.length));
      const body = hasBody ? bodyOf(exchange) : undefined;
      if (body !== undefined) ({ begun } = body);
      return await forward({
        exchange,
        ...(!longRunning && { silence }),
        connection: dialer.connect(address, target.tls),
        clock,
        authority,
        rejectRedirects: options.rejectRedirects ?? true,
        request: {
          method: exchange.method as Dispatcher.HttpMethod,
          path: withQuery(path!, query),
          headers,
          // undici takes any async iterable and keeps its pace.
          body: (body?.pieces ?? null) as Dispatcher.DispatchOptions["body"],
        },
        connected,
        failed,
        broken: (error) => report(exchange, error),
      });
    }
  };
}

const withQuery = (path: string, rawQuery: string) => {
  const query = canonicalQuery(rawQuery);
  return query === "" ? path : `${path}?${query}`;
};

/** The body, and whether anybody began to read it. */
function bodyOf(exchange: Exchange) {
  let begun = false;
  async function* pieces() {
    begun = true;
    yield* exchange.body.stream();
  }
  return { pieces: pieces(), begun: () => begun };
}

/** Whether there is a body to send on. An unknown length means one, unless the method usually has none and nothing announces it. */
function carriesBody(exchange: Exchange): boolean {
  const { length } = exchange.body;
  if (length !== undefined) return length > 0;
  if (exchange.header("transfer-encoding") !== undefined) return true;
  return exchange.method !== "GET" && exchange.method !== "HEAD";
}

/** The caller is gone or out of time: whoever set the limit says what the answer is. */
function abandoned(exchange: Exchange): void {
  const { reason } = exchange.signal;
  if (reason instanceof StatusError && !exchange.response.started) throw reason;
  if (!exchange.response.finished) exchange.response.abort();
}

interface Forward {
  readonly exchange: Exchange;
  readonly connection: Connection;
  readonly clock: Clock;
  readonly authority: string;
  readonly rejectRedirects: boolean;
  /** Ends responses that stop coming; absent: this one may be silent. */
  readonly silence?: Silence;
  readonly request: Parameters<Connection["dispatch"]>[0];
  /** A connection stands. */
  connected(): void;
  /** The attempt failed before a response began. */
  failed(error: DialError): void;
  /** The response broke off. */
  broken(error: DialError): void;
}

/** Sends the request and pumps the response, each side at the other's pace. */
function forward(options: Forward): Promise<DialError | undefined> {
  const { exchange, clock, authority, silence } = options;
  const { response, signal } = exchange;
  return new Promise((resolve) => {
    const stream = {
      quiet: 0,
      held: false,
      silent: () => cut(new DialError("Timeout", "the response stopped before its end", false)),
    };
    let abortUpstream: ((reason: Error) => void) | undefined;
    let over = false;
    let informational = 0;

    const finish = (failure?: DialError) => {
      if (over) return;
      over = true;
      deadline?.cancel();
      head?.cancel();
      silence?.delete(stream);
      signal.removeEventListener("abort", onAbort);
      resolve(failure);
    };
    /** Ends it from our side: the client sees an error answer, or a stream that is visibly cut off. */
    const cut = (error: DialError) => {
      if (over) return;
      if (response.started) {
        response.abort();
        options.broken(error);
        finish();
      } else {
        options.failed(error);
        finish(error);
      }
      abortUpstream?.(error);
    };
    const onAbort = () => cut(new DialError("Other", "context canceled", false, signal.reason));
    const deadline = isDiscovery(exchange)
      ? clock.after(DISCOVERY_TIMEOUT, () => cut(new DialError("Timeout", "context deadline exceeded", false)))
      : undefined;
    const head =
      exchange.info.verb === "watch"
        ? clock.after(WATCH_HEAD_TIMEOUT, () =>
            cut(new DialError("Timeout", "net/http: timeout awaiting response headers", false)),
          )
        : undefined;
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(controller) {
        options.connected();
        if (over) return controller.abort(new Error("no longer wanted"));
        abortUpstream = (reason) => controller.abort(reason);
      },
      onResponseStart(controller, status, headers) {
        if (over) return;
        if (status < 200) {
          if (++informational > MAX_INFORMATIONAL)
            cut(new DialError("Other", "too many 1xx informational responses", false));
          return;
        }
        head?.cancel();
        const lines = headerLines(controller.rawHeaders, headers);
        if (options.rejectRedirects && status >= 300 && status < 400 && hasLocation(lines)) {
          response.send(502, "text/plain; charset=utf-8", REDIRECT);
          finish();
          return controller.abort(new Error(REDIRECT));
        }
        responseHeaders(
          lines,
          (name) => response.hasHeader(name),
          (name, value) => response.addHeader(name, value),
        );
        response.start(status);
        silence?.add(stream);
      },
      onResponseData(controller, chunk) {
        stream.quiet = 0;
        if (over || response.write(chunk)) return;
        stream.held = true;
        controller.pause();
        void response.drained().then(() => {
          stream.held = false;
          if (!over) controller.resume();
        });
      },
      onResponseEnd(_, trailers) {
        if (over) return;
        const pairs: [string, string][] = [];
        responseHeaders(
          headerLines(undefined, trailers ?? {}),
          () => true,
          (name, value) => pairs.push([name, value]),
        );
        response.end(pairs);
        finish();
      },
      onResponseError(_, error) {
        cut(dialError(error, authority, clock.now()));
      },
    };
    try {
      options.connection.dispatch(options.request, handler);
    } catch (error) {
      cut(dialError(error, authority, clock.now()));
    }
  });
}

function hasLocation(lines: readonly string[]): boolean {
  return lines.some((name, index) => index % 2 === 0 && name.toLowerCase() === "location" && lines[index + 1] !== "");
}

/** The header lines as they came, in order, one character a byte; from the parsed ones where the raw ones are missing. */
function headerLines(raw: unknown, parsed: Readonly<Record<string, string | string[] | undefined>>): string[] {
  if (Array.isArray(raw)) return raw.map(text);
  const lines: string[] = [];
  for (const [name, value] of Object.entries(parsed)) {
    for (const one of Array.isArray(value) ? value : [value ?? ""]) lines.push(name, one);
  }
  return lines;
}

const text = (part: unknown) => (Buffer.isBuffer(part) ? part.toString("utf8") : String(part));
